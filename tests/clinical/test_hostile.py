"""What a hostile reviewer of the API looked for: gaps in the trail, races, waste, leaks."""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import ValidationError

from reference_stack.api.etags import require_match
from reference_stack.api.models import Note
from reference_stack.api.problems import ProblemError
from tests.api.api_server import CLINICIAN, PATIENT, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import Upstream
from tests.clinical.ward import Ward, key, some_patient

pytestmark = pytest.mark.servers


def test_that_nothing_was_found_of_a_patient_is_told_of_that_patient(ward: Ward) -> None:
    """No hit for an illness says something too."""
    patient = some_patient(70)
    params = {"q": "xilofone", "patient_id": str(patient)}
    answer = ward.get("/v1/search", params=params)
    assert answer.json() == {"items": []}
    assert [row[1] for row in ward.events_of(answer)] == [[patient]]


def test_a_look_into_the_trail_of_a_patient_names_that_patient(ward: Ward) -> None:
    patient = some_patient(71)
    told = ward.get("/v1/audit/events", role="auditor", params={"patient_id": str(patient)})
    assert [row[1] for row in ward.events_of(told)] == [[patient]]


def test_an_answer_that_cannot_be_recorded_is_not_generated_either(
    server: PostgresServer, upstream: Upstream
) -> None:
    """The client is told 503 and leaves; nobody is to go on speaking to nobody."""
    upstream.script = "hang"
    settings = api_settings(
        server.url("hospital"), request_timeout_s=1.0, audit_folder=None,
        inference_url=upstream.url,
    )  # fmt: skip
    with serving(settings) as client:
        ward = Ward(client, settings, server)
        with psycopg.connect(server.url("hospital")) as blocker:
            blocker.execute("LOCK TABLE audit_event")
            answer = ward.post("/v1/chat", json={"message": "?"})
            assert problem(answer) == (503, "audit-unavailable")
        assert upstream.client_left.wait(10)


def test_a_log_in_on_a_frozen_database_ends_in_time_and_costs_no_connection(
    server: PostgresServer,
) -> None:
    settings = api_settings(server.url("hospital"), request_timeout_s=1.0)
    wrong = {"username": "nobody", "password": "nothing"}
    with serving(settings) as client:
        assert problem(client.post("/v1/login", json=wrong)) == (401, "bad-credentials")
        server.freeze()
        try:
            with ThreadPoolExecutor(6) as threads:
                began = time.monotonic()
                answers = list(
                    threads.map(lambda _: client.post("/v1/login", json=wrong), range(6))
                )
                took_s = time.monotonic() - began
        finally:
            server.thaw()
        assert {answer.status_code for answer in answers} == {503}
        assert took_s < 5


def test_a_session_of_an_unknown_account_is_no_fault_of_the_service(ward: Ward) -> None:
    headers = ward.as_role("nurse", uuid.uuid4())
    answer = ward.client.post("/v1/logout", headers=headers)
    assert problem(answer) == (401, "not-authenticated")


def test_an_alert_that_was_seen_to_keeps_the_name_of_who_did(ward: Ward) -> None:
    alert = ward.post(f"/v1/patients/{some_patient(72)}/alerts", json={"message": "Queda"}).json()
    path = f"/v1/alerts/{alert['id']}/acknowledgement"
    first = ward.post(path, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    late = ward.post(path, headers={"If-Match": first.headers["etag"]})
    assert problem(late) == (409, "alert-seen-to")


def test_what_is_changed_needs_a_strong_tag() -> None:
    """RFC 9110, 13.1.1: If-Match compares strongly."""
    with pytest.raises(ProblemError, match="precondition-failed"):
        require_match('W/"1"', '"1"')
    require_match('"0", "1"', '"1"')


def upload(ward: Ward, patient: uuid.UUID, document: str | None = None) -> httpx.Response:
    name = str(uuid.uuid4())
    path = f"/v1/documents/{document}/versions" if document else f"/v1/patients/{patient}/documents"
    seen = {"If-Match": f'"{document}"'} if document else {}
    return ward.post(
        path, params={"title": "Exame"}, content=name.encode(),
        headers={"Idempotency-Key": name, "Content-Type": "text/plain", **seen},
    )  # fmt: skip


def test_a_document_that_gets_a_version_while_pages_are_read_is_not_left_out(
    documented_ward: Ward,
) -> None:
    ward, patient = documented_ward, some_patient(73)
    made = [upload(ward, patient).json()["version"]["id"] for _ in range(4)]
    seen: list[str] = []
    path = f"/v1/patients/{patient}/documents?limit=1"
    while path:
        answer = ward.get(path)
        assert answer.status_code == 200, answer.text
        seen += [item["id"] for item in answer.json()["items"]]
        if len(seen) in {1, 2}:
            assert upload(ward, patient, made[0]).status_code == 201
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == made[::-1]
    whole = ward.get(f"/v1/patients/{patient}/documents").json()["items"]
    assert [item["id"] for item in whole] == [made[0], *made[:0:-1]]
    assert len(whole[0]["versions"]) == 3


def test_a_version_without_what_it_replaces_is_told_so(documented_ward: Ward) -> None:
    ward, patient = documented_ward, some_patient(74)
    document = upload(ward, patient).json()["version"]["id"]
    path = f"/v1/documents/{document}/versions"
    headers = {"Content-Type": "text/plain"}
    blind = ward.post(path, params={"title": "x"}, content=b"x", headers=headers)
    assert problem(blind) == (428, "precondition-required")
    odd = ward.post(
        path, params={"title": "x"}, content=b"x", headers={**headers, "If-Match": '"x"'}
    )
    assert problem(odd) == (422, "invalid-request")


def test_ranges_and_tags_of_a_document_are_read_as_http_says(documented_ward: Ward) -> None:
    ward, patient = documented_ward, some_patient(75)
    document = upload(ward, patient).json()["version"]["id"]
    path = f"/v1/documents/{document}/versions/{document}"
    whole = ward.get(path)
    tag = whole.headers["etag"]
    for known in ("*", f'"x", W/{tag}'):
        assert ward.get(path, headers={"If-None-Match": known}).status_code == 304
    assert ward.get(path, headers={"If-None-Match": tag.strip('"')}).status_code == 200
    part = {"Range": "bytes=0-3"}
    assert ward.get(path, headers={**part, "If-Range": tag}).status_code == 206
    other = ward.get(path, headers={**part, "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)


def test_observations_are_found_by_any_of_several_codes_of_loinc_only(ward: Ward) -> None:
    patient = some_patient(76)
    taken = {
        "effective_at": datetime.now(UTC).isoformat(), "heart_rate": 72, "temperature": 36.6,
        "oxygen_saturation": 97,
    }  # fmt: skip
    path = f"/v1/patients/{patient}/vital-signs"
    stored = ward.post(path, json=taken, role="nurse").json()
    # What was made is no answer to a search.
    assert stored["type"] == "collection"
    assert not any("search" in entry for entry in stored["entry"])

    def found(code: str) -> int:
        query = f"/v1/fhir/Observation?patient={patient}&code={code}"
        return len(ward.get(query).json().get("entry", []))

    assert found("8867-4") == 1
    assert found("8867-4,http://loinc.org|8310-5") == 2
    assert found("urn:other|8867-4") == 0
    # The profile's code of the saturation, and the device's.
    assert found("2708-6") == found("59408-5") == 1


def test_patients_records_are_not_left_in_caches(ward: Ward) -> None:
    for path in (f"/v1/patients/{PATIENT.id}/notes", "/v1/alerts", "/v1/search?q=dor"):
        assert ward.get(path).headers["cache-control"] == "no-store", path
    wrong = ward.client.post("/v1/login", json={"username": "x", "password": "y"})
    assert wrong.headers["cache-control"] == "no-store"
    lookup = ward.get(f"/v1/patients/{PATIENT.id}")
    assert lookup.headers["cache-control"] == "private, no-cache"


def test_what_is_wrong_with_a_record_is_logged_without_the_record() -> None:
    with pytest.raises(ValidationError) as caught:
        Note.model_validate({"text": "HIV positivo", "id": "Maria"})
    assert "HIV" not in str(caught.value)
    assert "Maria" not in str(caught.value)


def test_a_fault_is_logged_by_its_route_and_not_by_whom_it_concerned(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = api_settings(server.url("hospital"))
    server.execute("ALTER TABLE patient RENAME COLUMN resource TO other", database="hospital")
    with serving(settings) as client, caplog.at_level(logging.ERROR):
        answer = client.get(f"/v1/patients/{PATIENT.id}")
    assert problem(answer) == (500, "internal")
    ((logged,)) = [one for one in caplog.messages if "unexpected failure" in one]
    assert "GET /v1/patients/{patient_id}" in logged
    assert answer.headers["x-request-id"] in logged
    assert str(PATIENT.id) not in logged


def test_times_are_told_in_utc_whatever_zone_the_server_was_set_up_in(
    server: PostgresServer,
) -> None:
    """Else a note would look another after a failover to a site in another zone."""
    server.configure("timezone", "America/Sao_Paulo")
    settings = api_settings(server.url("hospital"))
    with serving(settings) as client:
        stored = client.write_note().json()["recorded_at"]
        assert stored.endswith("Z"), stored
        assert (
            client.get(f"/v1/patients/{PATIENT.id}/notes").json()["items"][0]["recorded_at"]
            == stored
        )


def test_an_enrolment_that_is_sent_again_is_known_by_its_picture(
    ward: Ward, upstream: Upstream
) -> None:
    path, mine = f"/v1/clinicians/{CLINICIAN.id}/face", key()
    headers = {**mine, **ward.as_role("administrator"), "Content-Type": "image/png"}
    first = ward.client.put(path, content=b"face Ana", headers=headers)
    assert first.status_code == 204, first.text
    other = ward.client.put(path, content=b"face Bia", headers=headers)
    assert problem(other) == (422, "idempotency-key-reused")


def deleted_files() -> set[Path]:
    """Files this process, and so the API in it, holds open without a name."""
    descriptors = Path("/proc/self/fd").iterdir()
    targets = {one.readlink() for one in descriptors if one.is_symlink()}
    return {target for target in targets if target.name.endswith("(deleted)")}


def test_a_recording_that_is_refused_leaves_no_file_open(ward: Ward, upstream: Upstream) -> None:
    """Beyond a megabyte a form's file is on the disk: it is somebody's voice."""
    settings = api_settings(
        ward.server.url("hospital"), inference_url=upstream.url, audio_size_limit_bytes=1_200_000
    )
    before = deleted_files()
    with serving(settings) as client:
        for size in (1_100_000, 2_000_000):
            answer = client.post(
                "/v1/audio/transcriptions",
                files={"file": ("a.wav", b"x" * size)},
                data={"model": "x"},
            )
            assert answer.status_code == (200 if size < 1_200_000 else 413)
        assert deleted_files() == before


def test_bodies_that_are_read_at_once_have_a_bound_in_all(ward: Ward) -> None:
    """Whoever has no account can send a picture: a thousand at once must not fill the memory."""
    settings = api_settings(ward.server.url("hospital"), bodies_limit_bytes=1_000_000)
    with serving(settings) as client:
        picture = {"Content-Type": "image/png"}
        large = client.post("/v1/login/face", content=b"x" * 1_500_000, headers=picture)
        assert problem(large) == (503, "overloaded")
        small = client.post("/v1/login/face", content=b"x" * 900_000, headers=picture)
        assert problem(small) == (503, "inference-unavailable")
        again = client.post("/v1/login/face", content=b"x" * 900_000, headers=picture)
        assert problem(again) == (503, "inference-unavailable")
