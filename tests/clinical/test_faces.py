"""A face logs in whom it was enrolled for, and nobody else."""

from __future__ import annotations

import uuid
from dataclasses import replace

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.api import limits
from reference_stack.api.faces import MARGIN, nearest
from tests.api.api_server import CLINICIAN, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import Upstream
from tests.clinical.ward import Ward, key


@given(st.integers(1, 300), st.integers(0, 2**32 - 1), st.floats(0, 0.25))
def test_among_people_far_apart_each_is_known_by_a_picture_near_their_own(
    people: int, seed: int, noise: float
) -> None:
    """128 dimensions, as far apart as dlib's strangers (0.8 and more)."""
    rng = np.random.default_rng(seed)
    enrolled = rng.normal(0, 0.09, (people, 128)).astype(np.float32)
    person = int(rng.integers(people))
    step = rng.normal(size=128)
    shown = enrolled[person] + noise * step / np.linalg.norm(step)
    assert nearest(shown.astype(np.float32), enrolled, threshold=0.5) == person


@given(st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_a_stranger_is_nobody(people: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    enrolled = rng.normal(0, 0.09, (people, 128)).astype(np.float32)
    assert nearest(np.ones(128, dtype=np.float32), enrolled, threshold=0.5) is None


def test_a_face_that_two_people_could_have_is_nobodys() -> None:
    enrolled = np.zeros((2, 128), dtype=np.float32)
    enrolled[1, 0] = MARGIN / 2
    assert nearest(np.zeros(128, dtype=np.float32), enrolled, threshold=0.5) is None
    enrolled[1, 0] = 2 * MARGIN
    assert nearest(np.zeros(128, dtype=np.float32), enrolled, threshold=0.5) == 0


PICTURE = {"Content-Type": "image/png"}


def show(ward: Ward, picture: bytes) -> httpx.Response:
    return ward.client.post(
        "/v1/login/face", content=picture, headers={**PICTURE, "Authorization": ""}
    )


def enrol(ward: Ward, who: uuid.UUID, picture: bytes) -> httpx.Response:
    headers = {**key(), **PICTURE, **ward.as_role("administrator")}
    return ward.client.put(f"/v1/clinicians/{who}/face", content=picture, headers=headers)


@pytest.mark.servers
def test_an_enrolled_face_logs_in_until_it_is_forgotten(ward: Ward) -> None:
    assert problem(show(ward, b"face ana")) == (401, "face-unknown")
    assert enrol(ward, CLINICIAN.id, b"face ana").status_code == 204
    answer = show(ward, b"face ana")
    assert answer.status_code == 200, answer.text
    assert answer.json()["clinician"]["id"] == str(CLINICIAN.id)
    assert [row[2:4] for row in ward.events_of(answer)] == [("face-login", "allowed")]
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert ward.client.get("/v1/sessions", headers=bearer).status_code == 200
    assert problem(show(ward, b"face bia")) == (401, "face-unknown")
    listed = ward.get("/v1/clinicians", role="administrator").json()["items"]
    assert [one["id"] for one in listed if one["has_face"]] == [str(CLINICIAN.id)]
    forgotten = ward.client.delete(
        f"/v1/clinicians/{CLINICIAN.id}/face", headers={**key(), **ward.as_role("administrator")}
    )
    assert forgotten.status_code == 204
    assert problem(show(ward, b"face ana")) == (401, "face-unknown")


@pytest.mark.servers
def test_pictures_without_one_face_and_unknown_clinicians_are_refused(ward: Ward) -> None:
    for picture in (b"faces 0", b"faces 2", b"a tree"):
        assert problem(show(ward, picture)) == (422, "no-face")
        assert problem(enrol(ward, CLINICIAN.id, picture)) == (422, "no-face")
    assert problem(enrol(ward, uuid.uuid4(), b"face ana")) == (404, "clinician-not-found")
    text = ward.client.post("/v1/login/face", content=b"x", headers={"Content-Type": "text/plain"})
    assert problem(text) == (422, "invalid-request")


@pytest.mark.servers
def test_pictures_that_log_nobody_in_are_counted(
    shared_server: PostgresServer, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs inference as much as a face does, and nobody needs a token to send one."""
    monkeypatch.setattr(limits, "ADDRESS", replace(limits.ADDRESS, count=3))
    settings = api_settings(shared_server.url("hospital"), inference_url=upstream.url)
    with serving(settings) as client:
        ward = Ward(client, settings, shared_server)
        for _ in range(3):
            assert problem(show(ward, b"a tree")) == (422, "no-face")
        assert problem(show(ward, b"a tree")) == (429, "too-many-attempts")
