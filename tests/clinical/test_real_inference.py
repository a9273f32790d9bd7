"""Speech and pictures through the API: real inference behind it, with a tiny random Whisper."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import psycopg
import pytest
from PIL import Image

from reference_stack.api.inference_client import InferenceClient, InferenceRefusedError
from reference_stack.api.inference_models import ImageFindings
from reference_stack.speech.audio import RATE, write_audio
from tests.api.api_server import api_settings, ask_and_leave, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import DEADLINE_S, Upstream, wait_until
from tests.clinical.dictating import DICTATION, ending, opened, rest, token_of
from tests.clinical.ward import Ward
from tests.inference import tiny_model
from tests.inference.inference_bench import SCRIPT
from tests.inference.service_bench import Service, served
from tests.speech.tiny_whisper import tiny_whisper

pytestmark = pytest.mark.servers

RANDOM = np.random.default_rng(4)
NOISE = RANDOM.normal(size=2 * RATE) * 0.1
WAV = write_audio(NOISE.astype(np.float32), RATE, "wav")
PCM = (NOISE * 30_000).astype("<i2").tobytes()
FILE = {"file": ("ditado.wav", WAV, "audio/wav")}
TRANSCRIPTIONS = "/v1/audio/transcriptions"
ESPEAK = shutil.which("espeak-ng")


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    voice = {"engine": "espeak-ng", "program": ESPEAK, "voice": "pt-br", "model_name": "espeak-ng"}
    with served(
        tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", SCRIPT),
        speech={
            "model_dir": tiny_whisper(tmp_path_factory.mktemp("whisper") / "model"),
            "model_name": "toy",
            "dictation": {"max_sessions": 1},
        },
        voice=voice if ESPEAK else None,
        vision={"images": True},
    ) as service:
        yield service


@pytest.fixture(scope="module")
def speaking(shared_server: PostgresServer, inference: Service) -> Iterator[Ward]:
    settings = api_settings(
        shared_server.url("hospital"), inference_url=inference.url, audio_size_limit_bytes=200_000
    )
    with serving(settings) as client:
        yield Ward(client, settings, shared_server)


def transcribe(ward: Ward, **options: Any) -> httpx.Response:
    return ward.post(TRANSCRIPTIONS, **{"files": FILE, "data": {"model": "whisper-1"}, **options})


def test_a_recording_becomes_words_whatever_model_it_is_sent_for(speaking: Ward) -> None:
    answer = transcribe(speaking)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"] == {"type": "duration", "seconds": 2.0}
    assert speaking.events_of(answer) == [("physician", [], "dictation", "allowed", 200)]
    text = transcribe(speaking, data={"response_format": "text", "language": "en"})
    assert text.headers["content-type"].startswith("text/plain")


def test_the_openai_client_works_unchanged(speaking: Ward) -> None:
    token = speaking.as_role("nurse")["Authorization"].removeprefix("Bearer ")
    client = openai.OpenAI(
        base_url=f"{speaking.client.base_url}/v1", api_key=token, max_retries=0, timeout=120
    )
    heard = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", WAV), response_format="verbose_json", language="en",
    )  # fmt: skip
    assert (heard.language, heard.duration) == ("en", 2.0)
    if ESPEAK is not None:
        spoken = client.audio.speech.create(
            model="tts-1", voice="alloy", input="Dor no peito.", response_format="wav"
        )
        assert spoken.response.headers["content-type"] == "audio/wav"
        assert spoken.content[:4] == b"RIFF"


def test_what_is_no_recording_is_refused_with_its_reason(speaking: Ward) -> None:
    assert problem(transcribe(speaking, files={"file": ("a", bytes(300_000))})) == (
        413, "audio-too-large",
    )  # fmt: skip
    assert problem(transcribe(speaking, files={"file": ("a.wav", b"?")})) == (422, "audio-refused")
    assert problem(transcribe(speaking, files={"sound": ("a", WAV)})) == (422, "invalid-request")
    assert problem(transcribe(speaking, files=None)) == (422, "invalid-request")
    many = {f"field-{number}": "x" for number in range(30)}
    assert problem(transcribe(speaking, data=many)) == (422, "invalid-request")
    torn = speaking.post(
        TRANSCRIPTIONS,
        content=b"--x\r\n??",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert problem(torn) == (422, "invalid-request")
    silent = speaking.post("/v1/audio/speech", json={"input": ""})
    assert problem(silent) == (422, "invalid-request")


def test_only_those_who_write_notes_dictate(speaking: Ward) -> None:
    for role in ("receptionist", "administrator", "auditor"):
        assert problem(transcribe(speaking, headers=speaking.as_role(role))) == (
            403, "not-permitted",
        )  # fmt: skip
        with opened(speaking, token_of(speaking, role)) as socket:
            assert ending(socket) == ("not-permitted", 1008, "not-permitted")
    with opened(speaking, None) as socket:
        assert ending(socket) == ("not-authenticated", 1008, "not-authenticated")


def test_the_client_reads_what_inference_measures_of_an_image(inference: Service) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, "PNG")

    async def ask(content: bytes) -> ImageFindings:
        client = InferenceClient(inference.url, model=None, idle_timeout_s=120)
        try:
            return await client.analyse_image(content, "image/png")
        finally:
            await client.close()

    found = asyncio.run(ask(file.getvalue()))
    assert (found.width_px, found.height_px) == (256, 256)
    assert found.conclusion.startswith("Imagem de 256 × 256 pixels: contraste 0,")
    assert "disclaimer" in found.model_dump()
    with pytest.raises(InferenceRefusedError, match="400"):
        asyncio.run(ask(b"no image"))


# A service that misbehaves as no real one does on demand.


@pytest.fixture
def misled(shared_server: PostgresServer, upstream: Upstream) -> Iterator[Ward]:
    settings = api_settings(
        shared_server.url("hospital"), inference_url=upstream.url, audio_timeout_s=3.0
    )
    with serving(settings) as client:
        yield Ward(client, settings, shared_server)


def test_a_full_or_silent_or_missing_service_is_a_problem_that_says_when(
    misled: Ward, upstream: Upstream
) -> None:
    upstream.script = "busy"
    answer = transcribe(misled)
    assert problem(answer) == (503, "inference-unavailable")
    assert answer.headers["retry-after"] == "7"
    spoken = misled.post("/v1/audio/speech", json={"input": "x"})
    assert (problem(spoken), spoken.headers["retry-after"]) == (
        (503, "inference-unavailable"), "7",
    )  # fmt: skip
    upstream.script = "mute"
    assert problem(transcribe(misled)) == (503, "inference-unavailable")
    with opened(misled, token_of(misled)) as socket:
        assert ending(socket) == ("inference-unavailable", 1013, "inference-unavailable")


def test_a_site_without_speech_says_that_it_has_none(
    shared_server: PostgresServer, inference: Service
) -> None:
    """The service's 404 blames the site, not the request."""
    with serving(
        api_settings(shared_server.url("hospital"), inference_url=inference.url + "/nowhere")
    ) as client:
        ward = Ward(client, api_settings(shared_server.url("hospital")), shared_server)
        assert problem(transcribe(ward)) == (503, "inference-unavailable")


@pytest.mark.parametrize("path", [TRANSCRIPTIONS, "/v1/audio/speech"])
def test_a_client_that_leaves_ends_the_work_at_the_service(
    path: str, shared_server: PostgresServer, upstream: Upstream
) -> None:
    upstream.script = "mute"
    settings = api_settings(shared_server.url("hospital"), inference_url=upstream.url)
    with serving(settings) as client:
        ward = Ward(client, settings, shared_server)
        options: dict[str, Any] = (
            {"files": FILE} if path == TRANSCRIPTIONS else {"json": {"input": "x"}}
        )
        ask_and_leave(client, upstream, path, headers=ward.as_role("physician"), **options)
        assert upstream.client_left.wait(DEADLINE_S)


# Live dictation.


@pytest.mark.parametrize("by_header", [True, False])
def test_a_dictation_is_heard_through_the_api(by_header: bool, speaking: Ward) -> None:
    with opened(speaking, token_of(speaking), by_header=by_header) as socket:
        assert socket.response is not None
        request_id = socket.response.headers["X-Request-Id"]
        assert socket.response.headers["X-Prontuario-Site"] == "mac-1"
        socket.send('{"type": "start", "language": "en"}')
        socket.send(PCM)
        socket.send('{"type": "end"}')
        messages = rest(socket)
    assert (messages[0]["type"], messages[-1]["type"]) == ("ready", "done")
    assert [one["end_s"] for one in messages if one["type"] == "final"] == [2.0]
    assert socket.close_code == 1000
    assert speaking.rows(
        "SELECT actor_role, purpose, route, status FROM audit_event WHERE request_id = %s",
        request_id,
    ) == [("physician", "live-dictation", f"WEBSOCKET {DICTATION}", 101)]


def test_the_service_s_own_refusals_reach_the_client(speaking: Ward, inference: Service) -> None:
    with opened(speaking, token_of(speaking)) as first:
        assert json.loads(first.recv())["type"] == "ready"
        with opened(speaking, token_of(speaking)) as second:
            assert ending(second) == ("too_many_dictations", 1013, "too_many_dictations")
        first.send(b"odd")
        assert ending(first) == ("invalid_audio", 1008, "invalid_audio")
    wait_until(lambda: inference.value("speech_dictations") == 0)


def test_a_client_that_vanishes_leaves_no_dictation_behind(
    speaking: Ward, inference: Service
) -> None:
    with opened(speaking, token_of(speaking)) as socket:
        socket.recv()
        socket.send(PCM)
        assert inference.value("speech_dictations") == 1
        socket.socket.close()
        wait_until(lambda: inference.value("speech_dictations") == 0)


def test_a_log_out_ends_the_dictation(speaking: Ward, inference: Service) -> None:
    headers = speaking.as_role("physician")
    with opened(speaking, headers["Authorization"].removeprefix("Bearer ")) as socket:
        socket.recv()
        assert speaking.client.post("/v1/logout", headers=headers).status_code == 204
        assert ending(socket) == ("not-authenticated", 1008, "not-authenticated")
    wait_until(lambda: inference.value("speech_dictations") == 0)


def test_in_an_emergency_short_recordings_are_heard_and_the_rest_is_off(
    shared_server: PostgresServer, inference: Service
) -> None:
    settings = api_settings(
        shared_server.url("hospital"), site="gcp", mode="emergency", inference_url=inference.url,
        audio_size_limit_bytes=100_000,
    )  # fmt: skip
    with serving(settings) as client:
        ward = Ward(client, settings, shared_server)
        assert transcribe(ward).status_code == 200
        long = {"file": ("long.wav", bytes(1_000_000))}
        assert problem(transcribe(ward, files=long)) == (413, "audio-too-large")
        assert problem(ward.post("/v1/audio/speech", json={"input": "x"})) == (
            503, "off-in-emergency",
        )  # fmt: skip
        with opened(ward, token_of(ward)) as socket:
            assert ending(socket) == ("off-in-emergency", 1013, "off-in-emergency")
        told = client.get("/v1/status").json()["functions"]["off"]
        assert {"live-dictation", "speech", "face-login"} <= set(told)
        assert "dictation" not in told


def test_without_a_record_no_dictation_is_opened(
    shared_server: PostgresServer, inference: Service
) -> None:
    settings = api_settings(
        shared_server.url("hospital"), inference_url=inference.url, audit_folder=None,
        request_timeout_s=1.0,
    )  # fmt: skip
    with (
        serving(settings) as client,
        psycopg.connect(shared_server.url("hospital")) as blocker,
    ):
        client.wait_until_served()
        blocker.execute("LOCK TABLE audit_event")
        ward = Ward(client, settings, shared_server)
        with opened(ward, token_of(ward)) as socket:
            assert ending(socket) == ("audit-unavailable", 1013, "audit-unavailable")
