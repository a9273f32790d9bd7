"""Writes happen once, pages are complete, nothing is overwritten unseen, alerts get through."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.api.paging import decode_cursor, encode_cursor
from reference_stack.api.problems import ProblemError
from tests.api.api_server import PATIENT, problem
from tests.clinical.ward import Ward, key, some_patient

NOTES = [
    "Paciente com dor torácica e dispneia aos esforços. Solicitada troponina.",
    "Sem queixas de dor. Alta prevista.",
    "CORAÇÃO com bulhas rítmicas; pressões controladas.",
    "Coracao normal ao exame, escrito sem acentos.",
    "Fraturas múltiplas de costela, em analgesia.",
]


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_cursor_gives_back_its_place(
    text: str, one: uuid.UUID, at: datetime, number: float
) -> None:
    cursor = encode_cursor(text, one, at, number)
    assert decode_cursor(cursor, str, uuid.UUID, datetime, float) == (text, one, at, number)


@given(st.text(max_size=60))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(ProblemError):
        decode_cursor(text, str, uuid.UUID)


pytestmark = pytest.mark.servers


def linked(ward: Ward, path: str, **options: Any) -> list[dict[str, Any]]:
    """All items by following ``Link: rel="next"``."""
    items: list[dict[str, Any]] = []
    while path:
        answer = ward.get(path, **options)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        link = answer.headers.get("link", "")
        path = link.partition(">")[0].removeprefix("<")
    return items


@pytest.mark.parametrize("query", ["", "query=a", "query=1"])
def test_look_ups_pages_are_complete(query: str, ward: Ward) -> None:
    whole = linked(ward, f"/v1/patients?limit=100&{query}")
    paged = linked(ward, f"/v1/patients?limit=7&{query}")
    assert paged == whole
    assert len({item["id"] for item in whole}) == len(whole) > 7


@pytest.fixture(scope="module")
def noted(shared_ward: Ward) -> uuid.UUID:
    patient = some_patient(30)
    for text in NOTES:
        assert shared_ward.post(f"/v1/patients/{patient}/notes", json={"text": text}).is_success
    return patient


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dor", {0, 1}),
        ("fratura", {4}),
        ("coração", {2, 3}),
        ("coracao", {2, 3}),
        ("CORACAO", {2, 3}),
        ("controlada", {2}),
        ('"dor torácica"', {0}),
        ("dor -alta", {0}),
        ("troponinas or costelas", {0, 4}),
        ("de", set()),
        ("!!! ':* & |", set()),
    ],
)
def test_notes_are_found_by_the_forms_of_their_words_with_and_without_accents(
    query: str, expected: set[int], ward: Ward, noted: uuid.UUID
) -> None:
    items = linked(ward, "/v1/search", params={"q": query, "patient_id": str(noted)})
    notes = {item["id"]: item["text"] for item in linked(ward, f"/v1/patients/{noted}/notes")}
    found = {NOTES.index(notes[item["note_id"]]) for item in items if item["note_id"] in notes}
    assert found & set(range(len(NOTES))) == expected
    ranks = [item["rank"] for item in items]
    assert ranks == sorted(ranks, reverse=True)


def test_the_spelling_with_its_accents_ranks_first(ward: Ward, noted: uuid.UUID) -> None:
    params = {"q": "coração", "patient_id": str(noted)}
    first, second = linked(ward, "/v1/search", params=params)
    assert "bulhas" in first["excerpt"]
    assert "**Coracao**" in second["excerpt"]
    assert first["rank"] > second["rank"]


def test_search_pages_are_complete_and_each_note_is_audited(ward: Ward, noted: uuid.UUID) -> None:
    for number in range(12):
        ward.post(f"/v1/patients/{noted}/notes", json={"text": f"Curativo {number} trocado."})
    whole = ward.get("/v1/search", params={"q": "curativos", "patient_id": str(noted)})
    paged = linked(ward, f"/v1/search?q=curativos&patient_id={noted}&limit=5")
    assert [item["note_id"] for item in paged] == [
        item["note_id"] for item in whole.json()["items"]
    ]
    assert len(paged) == 12
    assert [row[1] for row in ward.events_of(whole)] == [[noted]]


def insights(ward: Ward, patient: uuid.UUID) -> dict[str, Any]:
    document: dict[str, Any] = ward.get(f"/v1/patients/{patient}/insights").json()
    return document


def test_insights_follow_from_what_was_taken(ward: Ward) -> None:
    """A fever that rises by a tenth of a degree an hour, and one pulse that can't be right."""
    patient = next(
        uuid.UUID(item["id"])
        for item in linked(ward, "/v1/patients?limit=100")
        if item["birth_date"] < "1990" and not insights(ward, uuid.UUID(item["id"]))["signs"]
    )
    now = datetime.now(UTC)
    for hour in range(10):
        taken = {
            "effective_at": (now - timedelta(hours=9 - hour)).isoformat(),
            "temperature": 37.5 + 0.1 * hour,
            "heart_rate": 210 if hour == 4 else 95 + hour % 2, "respiratory_rate": 22,
            "oxygen_saturation": 93, "systolic_pressure": 105, "consciousness": "A",
        }  # fmt: skip
        assert ward.post(f"/v1/patients/{patient}/vital-signs", json=taken).status_code == 201
    found = insights(ward, patient)
    # 22/min: 2, 93 %: 2, 105 mmHg: 1, 96/min: 1, 38.4 °C: 1
    assert (found["early_warning_score"], found["risk"]) == (7, "high")
    signs = {sign["sign"]: sign for sign in found["signs"]}
    assert signs["temperature"]["slope_per_h"] == pytest.approx(0.1, abs=0.005)
    assert signs["temperature"]["direction"] == "rising"
    assert len(signs["heart_rate"]["anomalous_at"]) == 1
    assert signs["heart_rate"]["direction"] == "steady"


@pytest.mark.parametrize(
    "taken",
    [{}, {"effective_at": "2026-01-01T00:00:00Z"}, {"effective_at": "2026-01-01", "heart_rate": 70},
     {"effective_at": "2999-01-01T00:00:00Z", "heart_rate": 70},
     {"effective_at": "2026-01-01T00:00:00Z", "heart_rate": 1000},
     {"effective_at": "2026-01-01T00:00:00Z", "consciousness": "Z"}],
)  # fmt: skip
def test_vital_signs_that_can_not_be_are_refused(taken: dict[str, object], ward: Ward) -> None:
    answer = ward.post(f"/v1/patients/{some_patient()}/vital-signs", json=taken)
    assert problem(answer) == (422, "invalid-request")


def raise_alert(ward: Ward, mine: dict[str, str], message: str = "Sepse?") -> httpx.Response:
    path = f"/v1/patients/{some_patient(40)}/alerts"
    return ward.post(path, json={"message": message}, headers=mine)


def test_a_write_sent_again_gets_the_same_answer_and_happens_once(ward: Ward) -> None:
    mine = key()
    first, again = raise_alert(ward, mine), raise_alert(ward, mine)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert problem(raise_alert(ward, mine, "Outra")) == (422, "idempotency-key-reused")
    elsewhere = ward.post(f"/v1/patients/{PATIENT.id}/alerts", json={"message": "Sepse?"},
                          headers=mine)  # fmt: skip
    assert problem(elsewhere) == (422, "idempotency-key-reused")
    count = "SELECT count(*) FROM alert WHERE id = %s"
    assert ward.rows(count, first.json()["id"]) == [(1,)]


def test_the_same_write_many_times_at_once_happens_once(ward: Ward) -> None:
    with ThreadPoolExecutor(10) as threads:
        for _ in range(3):
            mine = key()
            answers = list(threads.map(lambda _n, mine=mine: raise_alert(ward, mine), range(10)))
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
            replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
            assert replayed.count(None) == 1


def test_a_refused_write_does_not_use_up_its_key(ward: Ward) -> None:
    mine = key()
    nobody = ward.post(f"/v1/patients/{uuid.uuid4()}/alerts", json={"message": "x"}, headers=mine)
    assert problem(nobody) == (404, "patient-not-found")
    assert raise_alert(ward, mine).status_code == 201


def test_one_clinicians_key_is_not_anothers(ward: Ward) -> None:
    mine = key()
    path = f"/v1/patients/{some_patient(41)}/vital-signs"
    taken = {"effective_at": "2026-01-01T00:00:00Z", "heart_rate": 70}
    staff = [uuid.UUID(one["id"]) for one in linked(ward, "/v1/clinicians", role="administrator")]
    answers = [
        ward.client.post(path, json=taken, headers={**ward.as_role("nurse", who), **mine})
        for who in staff[:2]
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content != answers[1].content


def test_an_alert_is_acknowledged_by_whoever_saw_its_last_version(ward: Ward) -> None:
    alert = raise_alert(ward, key())
    path = f"/v1/alerts/{alert.json()['id']}/acknowledgement"
    assert alert.headers["etag"] == '"1"'
    listed = linked(ward, "/v1/alerts?limit=3")
    assert alert.json() in listed
    assert problem(ward.post(path)) == (428, "precondition-required")
    assert problem(ward.post(path, headers={"If-Match": '"7"'})) == (412, "precondition-failed")
    mine = {**key(), "If-Match": '"1"'}
    done, again = ward.post(path, headers=mine), ward.post(path, headers=mine)
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    assert again.content == done.content
    assert problem(ward.post(path, headers={"If-Match": '"1"'})) == (412, "precondition-failed")
    assert done.json()["id"] not in {one["id"] for one in linked(ward, "/v1/alerts")}


def test_a_contact_is_changed_only_by_whoever_saw_what_it_replaces(ward: Ward) -> None:
    path = f"/v1/patients/{some_patient(42)}"
    before = ward.get(path)
    seen = {**key(), **ward.as_role("receptionist"), "If-Match": before.headers["etag"]}
    changed = ward.client.patch(path, json={"phone": "+55 11 91234-5678"}, headers=seen)
    assert changed.status_code == 200, changed.text
    assert changed.json()["telecom"] == [{"system": "phone", "value": "+55 11 91234-5678"}]
    assert ward.get(path).content == changed.content
    late = {**seen, **key()}
    answer = ward.client.patch(path, json={"city": "Recife"}, headers=late)
    assert problem(answer) == (412, "precondition-failed")


def test_an_alert_passes_while_notes_wait(ward: Ward) -> None:
    """Every connection for notes is held by a lock; the alert has a lane of its own."""
    with (
        psycopg.connect(ward.server.url("hospital")) as blocker,
        ThreadPoolExecutor(8) as threads,
    ):
        blocker.execute("LOCK TABLE note")
        path = f"/v1/patients/{some_patient()}/notes"
        notes = [threads.submit(ward.post, path, json={"text": "x"}) for _ in range(8)]
        assert raise_alert(ward, key()).status_code == 201
        assert not any(note.done() for note in notes)
        blocker.rollback()
        assert {note.result().status_code for note in notes} == {201}
