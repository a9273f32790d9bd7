"""Log-in by face with dlib's real network on real pictures, through the API."""

from __future__ import annotations

import pytest

from tests.api.api_server import CLINICIAN, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.clinical.test_faces import enrol, show
from tests.clinical.ward import Ward
from tests.inference.service_bench import Service
from tests.vision.test_real_faces import faces, service

__all__ = ["faces", "service"]

pytestmark = [pytest.mark.model, pytest.mark.servers]


def test_another_picture_of_the_same_person_logs_in_and_another_persons_does_not(
    shared_server: PostgresServer, service: Service, faces: dict[str, bytes]
) -> None:
    settings = api_settings(shared_server.url("hospital"), inference_url=service.url)
    with serving(settings) as client:
        ward = Ward(client, settings, shared_server)
        assert enrol(ward, CLINICIAN.id, faces["obama"]).status_code == 204
        known = show(ward, faces["obama2"])
        assert known.status_code == 200, known.text
        assert known.json()["clinician"]["id"] == str(CLINICIAN.id)
        assert problem(show(ward, faces["biden"])) == (401, "face-unknown")
        assert problem(show(ward, b"no picture")) == (422, "no-face")
        ward.rows("DELETE FROM clinician_face")
