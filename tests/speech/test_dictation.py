"""Live dictation over a real WebSocket, with a tiny random Whisper: the protocol, not the words."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from reference_stack.speech.audio import RATE
from tests.inference.inference_bench import wait_until
from tests.inference.service_bench import Service, served

pytestmark = pytest.mark.servers

RANDOM = np.random.default_rng(4)
DEADLINE_S = 180


def speech_like(seconds: float) -> bytes:
    return (RANDOM.normal(size=round(seconds * RATE)) * 3000).astype("<i2").tobytes()


PAUSE = bytes(RATE * 2)


def dictating(script_dir: Path, whisper_dir: Path, **rules: Any):
    speech = {"model_dir": whisper_dir, "model_name": "toy", "dictation": rules}
    return served(script_dir, speech=speech)


def address(service: Service) -> str:
    return service.url.replace("http", "ws") + "/v1/audio/dictation"


@pytest.fixture(scope="module")
def usual(script_dir: Path, whisper_dir: Path) -> Iterator[Service]:
    with dictating(script_dir, whisper_dir) as service:
        yield service


@pytest.fixture(scope="module")
def brief(script_dir: Path, whisper_dir: Path) -> Iterator[Service]:
    """Short utterances, and texts of what was not said to its end."""
    rules = {"max_utterance_s": 1.5, "partial_every_s": 0.5, "idle_timeout_s": DEADLINE_S}
    with dictating(script_dir, whisper_dir, **rules) as service:
        yield service


@pytest.fixture(scope="module")
def impatient(script_dir: Path, whisper_dir: Path) -> Iterator[Service]:
    """One short dictation at a time."""
    rules = {"max_session_s": 1.5, "idle_timeout_s": 5.0, "max_sessions": 1}
    with dictating(script_dir, whisper_dir, **rules) as service:
        yield service


def run(coroutine: Any):
    return asyncio.run(asyncio.wait_for(coroutine, DEADLINE_S))


async def rest(socket: Any) -> list[dict]:
    messages = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await socket.recv()))
    return messages


async def dictate(url: str, *sent: bytes | dict) -> tuple[list[dict], int]:
    async with connect(url, proxy=None, open_timeout=60) as socket:
        for message in sent:
            await socket.send(json.dumps(message) if isinstance(message, dict) else message)
        return await rest(socket), socket.close_code


def test_utterances_come_back_one_by_one_and_then_all_of_it(usual: Service) -> None:
    sounds = [speech_like(1.2), PAUSE, speech_like(1.5), PAUSE, speech_like(1.0)]
    messages, code = run(
        dictate(address(usual), {"type": "start", "language": "en"}, *sounds, {"type": "end"})
    )
    assert (messages[0]["type"], messages[-1]["type"], code) == ("ready", "done", 1000)
    finals = [message for message in messages if message["type"] == "final"]
    assert [final["utterance"] for final in finals] == list(range(len(finals)))
    assert finals[-1]["end_s"] == pytest.approx(5.7, abs=0.01)
    assert all(one["end_s"] <= two["start_s"] for one, two in itertools.pairwise(finals))
    assert messages[-1]["text"] == " ".join(final["text"] for final in finals)
    wait_until(lambda: usual.value("speech_dictations") == 0, "it is closed")


def test_partial_texts_come_while_one_speaks(brief: Service) -> None:
    async def speak() -> list[dict]:
        async with connect(address(brief), proxy=None, open_timeout=60) as socket:
            await socket.recv()
            await socket.send(speech_like(1.0))
            partial = json.loads(await socket.recv())
            await socket.send(speech_like(0.2))
            await socket.send('{"type": "end"}')
            return [partial, *await rest(socket)]

    messages = run(speak())
    assert (messages[0]["type"], messages[0]["utterance"]) == ("partial", 0)
    assert messages[-1]["type"] == "done"


def test_an_utterance_without_a_pause_is_cut_at_its_longest(brief: Service) -> None:
    messages, _ = run(dictate(address(brief), speech_like(4.0), {"type": "end"}))
    ends = [message["end_s"] for message in messages if message["type"] == "final"]
    assert ends == [1.5, 3.0, 4.0]


def test_silence_says_nothing(usual: Service) -> None:
    messages, code = run(dictate(address(usual), PAUSE, PAUSE, {"type": "end"}))
    assert [message["type"] for message in messages] == ["ready", "done"]
    assert (messages[-1]["text"], code) == ("", 1000)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([b"odd"], "invalid_audio"),
        ([bytes(400_000)], "invalid_audio"),
        ([{"type": "stop"}], "invalid_request"),
        ([{"type": "start", "colour": "red"}], "invalid_request"),
        ([speech_like(0.1), {"type": "start"}], "invalid_request"),
        ([speech_like(1.4), {"type": "end"}, speech_like(0.1)], "invalid_request"),
        ([{"type": "start", "language": "x"}], "invalid_language"),
        ([speech_like(1.0), speech_like(1.0), speech_like(1.0)], "too_long"),
        ([], "idle"),
    ],
)
def test_a_broken_rule_ends_the_dictation_with_its_reason(
    impatient: Service, sent: Any, code: str
) -> None:
    messages, closed = run(dictate(address(impatient), *sent))
    assert messages[-1]["type"] == "error"
    assert (messages[-1]["error"]["code"], closed) == (code, 1008)
    wait_until(lambda: impatient.value("speech_dictations") == 0, "it is closed")


def test_one_dictation_too_many_is_told_to_come_back(impatient: Service) -> None:
    url = address(impatient)

    async def two() -> tuple[list[dict], int]:
        async with connect(url, proxy=None, open_timeout=60) as first:
            await first.recv()
            return await dictate(url)

    messages, closed = run(two())
    assert (messages[-1]["error"]["code"], closed) == ("too_many_dictations", 1013)
    assert messages[-1]["retry_after_s"] > 0
    wait_until(lambda: impatient.value("speech_dictations") == 0, "both are closed")


def test_a_client_that_vanishes_leaves_nothing_behind(usual: Service) -> None:
    async def vanish() -> None:
        socket = await connect(address(usual), proxy=None, open_timeout=60)
        await socket.recv()
        await socket.send(speech_like(1.0))
        socket.transport.abort()

    run(vanish())
    wait_until(lambda: usual.value("speech_dictations") == 0, "it is closed")
    wait_until(lambda: usual.value("speech_running_requests") == 0, "nothing runs")


def test_a_client_that_leaves_after_its_last_word_gives_up_its_place(usual: Service) -> None:
    """All is said and sent, and nobody waits for the words any more: nor does the service."""

    async def leave() -> None:
        async with connect(address(usual), proxy=None) as socket:
            await socket.recv()
            await socket.send(speech_like(1.0))
            await socket.send('{"type": "end"}')
            running = asyncio.to_thread(
                wait_until, lambda: usual.value("speech_running_requests") == 1, "it is heard"
            )
            await running
            socket.transport.abort()

    run(dictate(address(usual), speech_like(0.5), {"type": "end"}))  # the worker is there
    worker = usual.services[0]._transcriber.worker.pid
    os.kill(worker, signal.SIGSTOP)
    try:
        run(leave())
        wait_until(lambda: usual.value("speech_dictations") == 0, "it is closed")
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_until(lambda: usual.value("speech_running_requests") == 0, "nothing runs")
