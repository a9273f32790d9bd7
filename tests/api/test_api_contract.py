"""What the API promises its clients while everything works."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import psycopg
import pytest

from reference_stack.api.auth import Clinician, issue_token, utc_now
from reference_stack.hospital.clinicians import clinician_password
from tests.api.api_server import (
    CLINICIAN,
    HOSPITAL_SECRET,
    NOTES_PATH,
    OTHERS,
    PATIENT,
    TOKEN_LIFETIME_S,
    TOKEN_SECRET,
    Client,
    api_settings,
    problem,
)
from tests.api.postgres_server import PostgresServer

PASSWORD = clinician_password(HOSPITAL_SECRET, CLINICIAN.username)


def test_login_gives_a_token_that_opens_the_other_routes(client: Client) -> None:
    credentials = {"username": CLINICIAN.username, "password": PASSWORD}
    answer = client.post("/v1/login", json=credentials, headers={"Authorization": ""})
    assert answer.status_code == 200
    document = answer.json()
    assert document["token_type"] == "bearer"
    assert document["expires_in"] == TOKEN_LIFETIME_S
    assert document["clinician"] == {
        "id": str(CLINICIAN.id),
        "name": CLINICIAN.name,
        "role": CLINICIAN.role,
    }
    bearer = {"Authorization": f"Bearer {document['access_token']}"}
    assert client.get("/v1/patients", headers=bearer).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": CLINICIAN.username, "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
    ],
)
def test_unknown_user_and_wrong_password_are_answered_alike(
    client: Client, credentials: dict[str, str]
) -> None:
    answer = client.post("/v1/login", json=credentials)
    assert problem(answer) == (401, "bad-credentials")
    assert answer.json() == {
        "type": "bad-credentials",
        "title": "Username or password is wrong",
        "status": 401,
    }


def token(age_s: float = 0, **changes: object) -> str:
    settings = api_settings("postgresql://x").model_copy(update=changes)
    clinician = Clinician(CLINICIAN.id, CLINICIAN.name, CLINICIAN.role)
    return issue_token(settings, clinician, utc_now() - timedelta(seconds=age_s))


def test_a_token_of_another_site_is_accepted(client: Client) -> None:
    bearer = {"Authorization": f"Bearer {token(site='gcp')}"}
    assert client.get("/v1/patients", headers=bearer).status_code == 200


def unsigned_token() -> str:
    claims = jwt.decode(token(), TOKEN_SECRET, algorithms=["HS256"])
    return jwt.encode(claims, None, algorithm="none")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dTpw",
        "Bearer nonsense",
        f"Bearer {token(age_s=TOKEN_LIFETIME_S + 100)}",
        f"Bearer {token(token_secret='another secret of thirty-two chars')}",
        f"Bearer {unsigned_token()}",
    ],
    ids=["missing", "basic", "nonsense", "expired", "forged", "unsigned"],
)
def test_without_a_valid_token_nothing_is_served(client: Client, authorization: str) -> None:
    headers = {"Authorization": authorization}
    for request in (
        client.build_request("GET", "/v1/patients", headers=headers),
        client.build_request("GET", f"/v1/patients/{PATIENT.id}", headers=headers),
        client.build_request("GET", NOTES_PATH, headers=headers),
        client.build_request("POST", "/v1/chat", headers=headers, json={"message": "?"}),
    ):
        answer = client.send(request)
        assert problem(answer) == (401, "not-authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_patients_are_found_by_the_beginnings_of_their_names(client: Client) -> None:
    words = PATIENT.name.lower().split()
    for query in (PATIENT.name, PATIENT.name.upper(), f"{words[0][:3]} {words[-1][:4]}"):
        items = client.get("/v1/patients", params={"query": query, "limit": 100}).json()["items"]
        assert str(PATIENT.id) in {item["id"] for item in items}


def test_search_ignores_accents_in_query_and_name(client: Client) -> None:
    accented = next(person for person in OTHERS if "João" in person.given)
    for query in ("joao", "JOÃO", "joão"):
        items = client.get("/v1/patients", params={"query": query, "limit": 100}).json()["items"]
        found = {item["id"] for item in items}
        expected = {str(person.id) for person in OTHERS if "João" in person.given}
        assert str(accented.id) in found
        assert found == expected | ({str(PATIENT.id)} if "João" in PATIENT.given else set())


def test_digits_search_medical_record_numbers(client: Client) -> None:
    number = PATIENT.medical_record_number
    assert client.get("/v1/patients", params={"query": number}).json()["items"] == [
        {
            "id": str(PATIENT.id),
            "name": PATIENT.name,
            "birth_date": PATIENT.birth_date.isoformat(),
            "medical_record_number": number,
        }
    ]


@pytest.mark.parametrize("query", ["zzzz", "!!!", "'; DROP TABLE patient; --", "zz & | !", "\x00"])
def test_a_search_that_matches_nobody_is_empty(client: Client, query: str) -> None:
    answer = client.get("/v1/patients", params={"query": query})
    assert answer.status_code == 200
    assert answer.json() == {"items": []}


def test_search_is_limited_and_ordered_by_name(client: Client) -> None:
    items = client.get("/v1/patients", params={"limit": 7}).json()["items"]
    names = [item["name"] for item in items]
    assert len(names) == 7
    assert names == sorted(names)
    assert problem(client.get("/v1/patients?limit=0")) == (422, "invalid-request")


def test_a_patient_is_a_fhir_resource(client: Client) -> None:
    answer = client.look_up()
    assert answer.headers["content-type"] == "application/fhir+json"
    resource = answer.json()
    assert resource["resourceType"] == "Patient"
    assert resource["id"] == str(PATIENT.id)
    assert resource["birthDate"] == PATIENT.birth_date.isoformat()
    assert resource["gender"] == PATIENT.sex
    assert resource["identifier"][0]["value"] == PATIENT.medical_record_number


def test_unknown_things_are_problem_documents(client: Client) -> None:
    nobody = uuid.uuid4()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    for answer in (
        client.get(f"/v1/patients/{nobody}"),
        client.get(f"/v1/patients/{nobody}/notes"),
        client.post(f"/v1/patients/{nobody}/notes", json={"text": "x"}, headers=key),
        client.post("/v1/chat", json={"message": "x", "patient_id": str(nobody)}),
    ):
        assert problem(answer) == (404, "patient-not-found")
    assert problem(client.get("/v1/nothing")) == (404, "not-found")
    assert problem(client.delete("/v1/patients")) == (405, "about:blank")


def test_a_note_is_stored_and_listed_latest_first(client: Client) -> None:
    patient = OTHERS[0]
    path = f"/v1/patients/{patient.id}/notes"
    assert client.get(path).json() == {"items": []}
    receipts = []
    for sequence in (1, 2):
        key = str(uuid.uuid4())
        answer = client.post(
            path,
            json={"text": f"Evolução {sequence}", "sequence": sequence},
            headers={"Idempotency-Key": key},
        )
        assert answer.status_code == 201
        receipt = answer.json()
        assert set(receipt) == {"id", "client_id", "patient_id", "recorded_at"}
        assert (receipt["client_id"], receipt["patient_id"]) == (key, str(patient.id))
        receipts.append(receipt)
    author = str(CLINICIAN.id)
    assert client.get(path).json()["items"] == [
        {**receipts[1], "author_id": author, "text": "Evolução 2", "sequence": 2},
        {**receipts[0], "author_id": author, "text": "Evolução 1", "sequence": 1},
    ]
    assert len(client.get(path, params={"limit": 1}).json()["items"]) == 1


def rows_with_key(server: PostgresServer, key: str) -> int:
    with psycopg.connect(server.url("hospital")) as connection:
        row = connection.execute("SELECT count(*) FROM note WHERE client_id = %s", (key,))
        return int(row.fetchone()[0])


def test_the_same_key_and_note_again_is_the_first_note(
    client: Client, shared_server: PostgresServer
) -> None:
    key = str(uuid.uuid4())
    first = client.write_note("uma vez", key, sequence=3)
    again = client.write_note("uma vez", key, sequence=3)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert rows_with_key(shared_server, key) == 1


def test_the_same_key_for_another_note_is_refused(client: Client) -> None:
    key = str(uuid.uuid4())
    assert client.write_note("uma", key, sequence=1).status_code == 201
    assert problem(client.write_note("outra", key, sequence=1)) == (422, "idempotency-key-reused")
    assert problem(client.write_note("uma", key, sequence=2)) == (422, "idempotency-key-reused")
    elsewhere = client.post(
        f"/v1/patients/{OTHERS[1].id}/notes",
        json={"text": "uma", "sequence": 1},
        headers={"Idempotency-Key": key},
    )
    assert problem(elsewhere) == (422, "idempotency-key-reused")


def test_concurrent_duplicates_leave_one_row_and_one_answer(
    client: Client, shared_server: PostgresServer
) -> None:
    with ThreadPoolExecutor(12) as threads:
        for _ in range(5):
            key = str(uuid.uuid4())
            answers = list(threads.map(lambda _n, key=key: client.write_note("x", key), range(12)))
            assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
            assert len({answer.text for answer in answers}) == 1
            assert rows_with_key(shared_server, key) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "x", "sequence": -1},
        {"text": "x", "sequence": 2**63},
        {"text": "x", "colour": "red"},
        {"text": "a\x00b"},
    ],
)
def test_a_note_that_does_not_fit_is_refused(client: Client, body: dict[str, object]) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    assert problem(client.post(NOTES_PATH, json=body, headers=headers)) == (422, "invalid-request")


def test_half_a_surrogate_pair_is_refused(client: Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    answer = client.post(NOTES_PATH, content=b'{"text": "\\ud800"}', headers=headers)
    assert problem(answer) == (422, "invalid-request")


def test_a_note_needs_an_idempotency_key(client: Client) -> None:
    for headers in ({}, {"Idempotency-Key": "not-a-uuid"}):
        answer = client.post(NOTES_PATH, json={"text": "x"}, headers=headers)
        assert problem(answer) == (422, "invalid-request")
        assert "idempotency-key" in answer.json()["detail"].lower()


def test_every_answer_names_site_and_mode(client: Client) -> None:
    for path in ("/health", "/health/chat", "/ready", "/metrics", "/v1/patients", "/v1/nothing"):
        headers = client.get(path).headers
        assert headers["x-prontuario-site"] == "mac-1"
        assert headers["x-prontuario-mode"] == "normal"


def test_ready_names_database_and_inference(client: Client) -> None:
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "site": "mac-1",
        "mode": "normal",
        "database": "primary",
        "inference": "ok",
    }


def test_metrics_count_requests_by_route_template(client: Client) -> None:
    def requests() -> float:
        name = (
            'prontuario_api_requests_total{method="GET",route="/v1/patients/{patient_id}",'
            'status="200"} '
        )
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = requests()
    for _ in range(3):
        client.look_up()
    assert requests() == before + 3
    text = client.get("/metrics").text
    assert 'prontuario_api_database_pool_connections{lane="write"} 3.0' in text
    assert str(PATIENT.id) not in text
