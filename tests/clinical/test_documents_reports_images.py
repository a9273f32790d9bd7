"""Reports come out of the queue once, images are measured once, on real document services."""

from __future__ import annotations

import time
import uuid

import pytest

from reference_stack.api.jobs import LEASE_S, MAX_ATTEMPTS
from reference_stack.api.settings import ApiSettings
from reference_stack.secrets import read_secret
from tests.api.api_server import PATIENT, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import wait_until
from tests.clinical.test_fhir import validated
from tests.clinical.ward import Ward, key, some_patient
from tests.documents.pair import NODES, Pair

pytestmark = pytest.mark.servers


def ask_for_report(ward: Ward, patient: uuid.UUID, mine: dict[str, str]) -> str:
    answer = ward.post(f"/v1/patients/{patient}/reports", headers=mine)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/reports/{answer.json()['id']}"
    return str(answer.json()["id"])


def state(ward: Ward, report: str) -> str:
    return str(ward.get(f"/v1/reports/{report}").json()["state"])


def test_a_report_is_made_once_and_is_a_document(documented_ward: Ward) -> None:
    ward, patient, mine = documented_ward, PATIENT.id, key()
    ward.post(f"/v1/patients/{patient}/notes", json={"text": "Evolui sem febre."})
    report = ask_for_report(ward, patient, mine)
    assert ask_for_report(ward, patient, mine) == report
    wait_until(lambda: state(ward, report) == "done")
    assert ward.rows("SELECT count(*) FROM document_version WHERE document_id = %s", report) == [
        (1,)
    ]
    document = ward.get(f"/v1/documents/{report}").json()
    version = document["versions"][0]
    content = ward.get(f"/v1/documents/{report}/versions/{version['id']}")
    assert content.headers["content-type"].startswith("text/markdown")
    text = content.content.decode()
    assert PATIENT.name in text
    assert "Evolui sem febre." in text
    assert "Não é um dispositivo médico" in text
    resource = validated(ward.get(f"/v1/fhir/DiagnosticReport/{report}").json())
    assert resource["presentedForm"][0]["url"].endswith(f"/versions/{version['id']}")
    listed = ward.get(f"/v1/fhir/DocumentReference?patient={patient}").json()
    assert validated(listed)["entry"][0]["resource"]["status"] == "current"
    ((actor, outcome),) = ward.rows(
        "SELECT actor_id, outcome FROM audit_event WHERE request_id = %s", report
    )
    assert (str(actor), outcome) == (document["versions"][0]["author_id"], "allowed")


def test_a_report_whose_worker_died_is_made_by_another_after_its_lease(
    documented_ward: Ward,
) -> None:
    """The dead worker left its job running; time is put forward rather than waited for."""
    ward, job = documented_ward, uuid.uuid4()
    ward.rows(
        "INSERT INTO job (id, kind, patient_id, requested_by, state, attempts, due_at) "
        "SELECT %s, 'patient-report', %s, id, 'running', 1, clock_timestamp() + interval '1 hour' "
        "FROM clinician LIMIT 1",
        job,
        some_patient(50),
    )
    time.sleep(1.5)
    assert state(ward, str(job)) == "running"
    ward.rows("UPDATE job SET due_at = clock_timestamp() WHERE id = %s", job)
    wait_until(lambda: state(ward, str(job)) == "done")
    assert ward.rows("SELECT attempts FROM job WHERE id = %s", job) == [(2,)]
    assert ApiSettings.model_fields["request_timeout_s"].default * 3 < LEASE_S


def test_a_report_that_kills_its_workers_is_given_up(documented_ward: Ward) -> None:
    """A worker that dies says nothing, so the queue counts its attempts."""
    ward, job = documented_ward, uuid.uuid4()
    ward.rows(
        "INSERT INTO job (id, kind, patient_id, requested_by, state, attempts) "
        "SELECT %s, 'patient-report', %s, id, 'running', %s FROM clinician LIMIT 1",
        *(job, some_patient(50), MAX_ATTEMPTS),
    )
    wait_until(lambda: state(ward, str(job)) == "failed")
    told = ward.get(f"/v1/reports/{job}").json()
    assert "given up" in told["failure"]
    assert told["finished_at"] is not None


def test_while_the_documents_are_away_a_report_waits_and_two_workers_make_it_once(
    documented_ward: Ward, pair: Pair, shared_server: PostgresServer
) -> None:
    ward = documented_ward
    settings = api_settings(
        shared_server.url("hospital"),
        site="mac-2",
        documents_urls=[pair.url(site) for site in NODES],
        documents_secret=read_secret(pair.directory, "documents"),
        report_worker=True,
    )
    with serving(settings):
        for site in NODES:
            pair.service(site).kill()
        try:
            reports = [ask_for_report(ward, some_patient(51 + n), key()) for n in range(6)]
            wait_until(
                lambda: ward.rows("SELECT 1 FROM job WHERE failure IS NOT NULL AND attempts > 0")
            )
        finally:
            for site in NODES:
                pair.service(site).start()
        pair.wait_until_paired()
        wait_until(lambda: all(state(ward, report) == "done" for report in reports), 120)
    for report in reports:
        sql = "SELECT count(*) FROM document_version WHERE document_id = %s"
        assert ward.rows(sql, report) == [(1,)]


def test_an_image_is_measured_and_the_same_request_again_is_the_same_analysis(
    documented_ward: Ward,
) -> None:
    ward, patient, document = documented_ward, some_patient(60), str(uuid.uuid4())
    stored = ward.post(
        f"/v1/patients/{patient}/documents", params={"title": "Tórax"}, content=b"\x89PNG",
        headers={"Idempotency-Key": document, "Content-Type": "image/png"},
    )  # fmt: skip
    assert stored.status_code == 201, stored.text
    path, mine = f"/v1/documents/{document}/versions/{document}/analysis", key()
    first, again = ward.post(path, headers=mine), ward.post(path, headers=mine)
    assert first.status_code == 201, first.text
    assert again.content == first.content
    assert first.json()["result"]["quality"]["contrast"] == 0.5
    assert "512 × 256 pixels: contraste 0,50" in first.json()["conclusion"]
    assert "no diagnosis" in first.json()["notice"]
    assert ward.events_of(first)[0][1] == [patient]
    (entry,) = ward.get(f"/v1/fhir/DiagnosticReport?patient={patient}").json()["entry"]
    assert validated(entry["resource"])["status"] == "preliminary"
    text = str(uuid.uuid4())
    ward.post(
        f"/v1/patients/{patient}/documents", params={"title": "x"}, content=b"not an image",
        headers={"Idempotency-Key": text, "Content-Type": "text/plain"},
    )  # fmt: skip
    refused = ward.post(f"/v1/documents/{text}/versions/{text}/analysis")
    assert problem(refused) == (422, "image-unreadable")
