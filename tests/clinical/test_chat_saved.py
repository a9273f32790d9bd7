"""An exchange is saved whole or not at all."""

from __future__ import annotations

import json
import uuid

import httpx
import psycopg
import pytest

from tests.api.api_server import api_settings, ask_and_leave, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.test_api_chat import events, words
from tests.api.upstream import DEADLINE_S, WORDS, Upstream, wait_until
from tests.clinical.ward import Ward, key, some_patient

pytestmark = pytest.mark.servers

SAVED = "SELECT question, answer, patient_id FROM chat_exchange WHERE id = %s"


def ask(ward: Ward, mine: dict[str, str], **body: object) -> httpx.Response:
    return ward.post("/v1/chat", json={"message": "Dor?", **body}, headers=mine)


def test_an_answer_that_came_to_its_end_is_saved_before_it_says_so(
    ward: Ward, upstream: Upstream
) -> None:
    mine, patient = key(), some_patient(9)
    stream = events(ask(ward, mine, patient_id=str(patient)).text)
    assert [kind for kind, _ in stream[-2:]] == ["saved", "message"]
    assert json.loads(stream[-2][1])["id"] == mine["Idempotency-Key"]
    assert ward.rows(SAVED, mine["Idempotency-Key"]) == [("Dor?", "".join(WORDS), patient)]


def test_the_same_question_again_gets_the_saved_answer_without_asking_the_model(
    ward: Ward, upstream: Upstream
) -> None:
    mine = key()
    ask(ward, mine)
    upstream.requests.clear()
    again = ask(ward, mine)
    assert not upstream.requests
    stream = events(again.text)
    assert json.loads(stream[0][1])["replayed"] is True
    assert "".join(words(stream)) == "".join(WORDS)
    assert problem(ask(ward, mine, message="Outra?")) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("script", ["break", "error-event"])
def test_of_an_answer_that_breaks_off_nothing_is_saved_and_the_key_stays_free(
    script: str, ward: Ward, upstream: Upstream
) -> None:
    mine = key()
    upstream.script = script
    assert events(ask(ward, mine).text)[-1][0] == "error"
    assert ward.rows(SAVED, mine["Idempotency-Key"]) == []
    upstream.script = "answer"
    assert events(ask(ward, mine).text)[-1] == ("message", "[DONE]")
    assert len(ward.rows(SAVED, mine["Idempotency-Key"])) == 1


def test_of_an_answer_whose_reader_left_nothing_is_saved(ward: Ward, upstream: Upstream) -> None:
    mine = key()
    upstream.script = "hang"
    headers = {**mine, **ward.as_role("nurse")}
    ask_and_leave(ward.client, upstream, "/v1/chat", json={"message": "?"}, headers=headers)
    assert upstream.client_left.wait(DEADLINE_S)
    assert ward.rows(SAVED, mine["Idempotency-Key"]) == []


def test_an_answer_that_cannot_be_saved_ends_with_an_error_instead_of_its_end(
    server: PostgresServer, upstream: Upstream
) -> None:
    settings = api_settings(
        server.url("hospital"), inference_url=upstream.url, request_timeout_s=1.0
    )
    with serving(settings) as client:
        client.wait_until_served()
        ward = Ward(client, settings, server)
        mine = key()
        with psycopg.connect(server.url("hospital")) as blocker:
            # Reading goes on, storing waits until the statement's time is up.
            blocker.execute("LOCK TABLE chat_exchange IN SHARE ROW EXCLUSIVE MODE")
            stream = events(ask(ward, mine).text)
        kind, document = stream[-1]
        assert (kind, json.loads(document)["status"]) == ("error", 503)
        assert words(stream[:-1]) == list(WORDS)
        wait_until(lambda: events(ask(ward, mine).text)[-1] == ("message", "[DONE]"))
        assert len(ward.rows(SAVED, mine["Idempotency-Key"])) == 1


def test_a_conversation_is_the_clinicians_own_and_the_model_is_told_of_it(
    ward: Ward, upstream: Upstream
) -> None:
    conversation = str(uuid.uuid4())
    for message in ("Primeira?", "Segunda?"):
        ask(ward, key(), message=message, conversation_id=conversation)
    told = upstream.requests[-1]["messages"]
    assert [one["content"] for one in told[1:]] == ["Primeira?", "".join(WORDS), "Segunda?"]
    items = ward.get(f"/v1/conversations/{conversation}").json()["items"]
    assert [item["question"] for item in items] == ["Primeira?", "Segunda?"]
    other = ward.as_role("physician", uuid.uuid4())
    assert ward.client.get(f"/v1/conversations/{conversation}", headers=other).json() == {
        "items": []
    }


def test_the_disclaimer_says_that_it_is_no_medical_device(ward: Ward, upstream: Upstream) -> None:
    meta = json.loads(events(ask(ward, key()).text)[0][1])
    assert "Não é um dispositivo médico" in meta["disclaimer"]
