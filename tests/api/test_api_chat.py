"""What a clinician gets from chat when inference answers, refuses, breaks off or falls silent."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from reference_stack.api.inference_client import event_payloads
from tests.api.api_server import (
    NOBODY_LISTENS,
    OTHERS,
    Client,
    api_settings,
    ask_and_leave,
    problem,
    serving,
)
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import DEADLINE_S, WORDS, Upstream, wait_until

pytestmark = pytest.mark.servers

Event = tuple[str, str]


def events(text: str) -> list[Event]:
    """(event, data) of each event."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event", "message"), fields["data"]))
    return found


def words(stream: list[Event]) -> list[str]:
    return [
        json.loads(data)["choices"][0]["delta"]["content"]
        for event, data in stream
        if event == "message" and data != "[DONE]"
    ]


def test_an_answer_is_meta_then_chunks_then_done(client: Client, upstream: Upstream) -> None:
    answer = client.post("/v1/chat", json={"message": "Dor torácica?"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    stream = events(answer.text)
    assert stream[0][0] == "meta"
    meta = json.loads(stream[0][1])
    assert (meta["site"], meta["mode"]) == ("mac-1", "normal")
    assert meta["disclaimer"]
    assert words(stream) == list(WORDS)
    assert stream[-1] == ("message", "[DONE]")
    asked = upstream.requests[-1]
    assert asked["stream"] is True
    assert asked["messages"][-1] == {"role": "user", "content": "Dor torácica?"}


@pytest.mark.parametrize(("wanted", "granted"), [(None, 32), (5, 5), (4000, 32)])
def test_the_length_of_answers_is_limited(
    client: Client, upstream: Upstream, wanted: int | None, granted: int
) -> None:
    client.post("/v1/chat", json={"message": "?", "max_tokens": wanted})
    assert upstream.requests[-1]["max_tokens"] == granted


def test_the_model_learns_about_the_patient_but_not_who_it_is(
    client: Client, upstream: Upstream
) -> None:
    patient = OTHERS[2]
    client.post(
        f"/v1/patients/{patient.id}/notes",
        json={"text": "Alergia a dipirona."},
        headers={"Idempotency-Key": "00000000-0000-4000-8000-000000000001"},
    )
    client.post("/v1/chat", json={"message": "?", "patient_id": str(patient.id)})
    prompt = upstream.requests[-1]["messages"][0]["content"]
    assert f"{patient.sex}, born {patient.birth_date.year}" in prompt
    assert "Alergia a dipirona." in prompt
    assert patient.family not in prompt
    assert patient.medical_record_number not in prompt


def test_a_full_inference_queue_is_a_problem_with_its_advice(
    client: Client, upstream: Upstream
) -> None:
    upstream.script = "busy"
    answer = client.post("/v1/chat", json={"message": "?"})
    assert problem(answer) == (503, "inference-unavailable")
    assert answer.headers["retry-after"] == "7"
    assert "queue full" in answer.json()["detail"]


def test_a_message_that_inference_refuses_is_the_clients_fault(
    client: Client, upstream: Upstream
) -> None:
    upstream.script = "refuse"
    answer = client.post("/v1/chat", json={"message": "?"})
    assert problem(answer) == (422, "inference-refused")
    assert "900 tokens" in answer.json()["detail"]


def test_an_answer_that_ends_before_its_first_token_is_a_problem(
    client: Client, upstream: Upstream
) -> None:
    upstream.script = "empty"
    answer = client.post("/v1/chat", json={"message": "?"})
    assert problem(answer) == (503, "inference-unavailable")
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("script", ["break", "error-event"])
def test_an_answer_that_breaks_off_ends_with_an_error_event(
    client: Client, upstream: Upstream, script: str
) -> None:
    upstream.script = script
    answer = client.post("/v1/chat", json={"message": "?"})
    assert answer.status_code == 200
    stream = events(answer.text)
    assert words(stream[:-1]) == list(WORDS[:2])
    kind, data = stream[-1]
    assert kind == "error"
    assert json.loads(data)["type"] == "inference-broken"


@pytest.fixture(scope="module")
def impatient(shared_server: PostgresServer, upstream_server: Upstream) -> Iterator[Client]:
    settings = api_settings(
        shared_server.url("hospital"), inference_url=upstream_server.url, chat_idle_timeout_s=0.5
    )
    with serving(settings) as client:
        yield client


def test_silence_before_the_first_token_is_a_problem(impatient: Client, upstream: Upstream) -> None:
    upstream.script = "mute"
    assert problem(impatient.post("/v1/chat", json={"message": "?"}))[0] == 503
    assert upstream.client_left.wait(DEADLINE_S)


def test_silence_in_mid_answer_is_an_error_event(impatient: Client, upstream: Upstream) -> None:
    upstream.script = "hang"
    stream = events(impatient.post("/v1/chat", json={"message": "?"}).text)
    assert [kind for kind, _ in stream] == ["meta", "message", "message", "error"]
    assert upstream.client_left.wait(DEADLINE_S)


@pytest.mark.parametrize("script", ["mute", "hang"])
def test_when_the_client_leaves_inference_is_told(
    client: Client, upstream: Upstream, script: str
) -> None:
    upstream.script = script
    ask_and_leave(client, upstream, "/v1/chat", json={"message": "?"})
    assert upstream.client_left.wait(DEADLINE_S)


def test_chat_goes_on_without_the_database_and_look_up_without_inference(
    server: PostgresServer, upstream: Upstream
) -> None:
    settings = api_settings(
        server.url("hospital"), inference_url=upstream.url, request_timeout_s=0.5
    )
    with serving(settings) as client:
        # Without a first reading of who logged out, nobody is let in at all.
        wait_until(lambda: client.look_up().status_code == 200)
        server.stop()
        answer = client.post("/v1/chat", json={"message": "?"})
        assert events(answer.text)[-1] == ("message", "[DONE]")
        with_patient = {"message": "?", "patient_id": str(OTHERS[0].id)}
        assert problem(client.post("/v1/chat", json=with_patient)) == (503, "database-unavailable")
        server.start()
    with serving(api_settings(server.url("hospital"), inference_url=NOBODY_LISTENS)) as client:
        assert client.look_up().status_code == 200
        answer = client.post("/v1/chat", json={"message": "?"})
        assert problem(answer) == (503, "inference-unavailable")
        assert client.get("/ready").json()["inference"] == "away"
        assert client.get("/health").status_code == 200
        assert client.get("/health/chat").status_code == 503


def test_chunks_arrive_as_they_are_spoken(client: Client, upstream: Upstream) -> None:
    upstream.script = "hang"
    arrived: list[str] = []

    def listen() -> None:
        with client.stream("POST", "/v1/chat", json={"message": "?"}) as answer:
            for line in answer.iter_lines():
                arrived.append(line)
                if sum(line.startswith("data:") for line in arrived) == 3:
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    wait_until(lambda: not listener.is_alive())
    assert upstream.client_left.wait(DEADLINE_S)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_events_are_read_whatever_the_pieces_they_arrive_in(line_end: str, piece: int) -> None:
    text = ': ping\n\nevent: x\ndata: {"a": "\u2028\x85"}\n\ndata:b\ndata: c\n\ndata: cut'
    wire = text.replace("\n", line_end).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(wire), piece):
            yield wire[start : start + piece]

    async def collect() -> list[bytes]:
        return [payload async for payload in event_payloads(pieces())]

    assert asyncio.run(collect()) == ['{"a": "\u2028\x85"}'.encode(), b"b\nc"]
