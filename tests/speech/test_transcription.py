"""Speech to text as HTTP, with a tiny random Whisper: shapes, bounds and failures, not words."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from reference_stack.speech.audio import RATE, write_audio
from tests.inference.inference_bench import SCRIPT, wait_until
from tests.inference.service_bench import HELLO, PATH, MakeService, Service, served

pytestmark = pytest.mark.servers

RANDOM = np.random.default_rng(4)
CLIP = (RANDOM.normal(size=2 * RATE) * 0.1).astype(np.float32)
WAV = write_audio(CLIP, RATE, "wav")

MakeClient = Callable[..., tuple[Service, openai.OpenAI]]


@pytest.fixture
def speech(make_service: MakeService, whisper_dir: Path):
    def make(**options: Any):
        settings = {"model_dir": whisper_dir, "model_name": "whisper-toy-random", **options}
        service = make_service(speech=settings)
        url = f"{service.url}/v1"
        return service, openai.OpenAI(base_url=url, api_key="none", max_retries=0)

    return make


def ask_openai(service: Service) -> openai.resources.audio.Transcriptions:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)
    return client.audio.transcriptions


@pytest.fixture(scope="module")
def small(script_dir: Path, whisper_dir: Path) -> Iterator[Service]:
    """A service that several tests share; it takes small files only."""
    settings = {"model_dir": whisper_dir, "model_name": "whisper-toy-random"}
    with served(script_dir, speech={**settings, "max_upload_bytes": 200_000}) as service:
        yield service


def worker(service: Service) -> int:
    """The worker's process id."""
    return service.services[0]._transcriber.worker.pid


def test_every_format_of_openai_s_that_is_offered(speech: MakeClient) -> None:
    service, client = speech()
    assert service.client.get("/health").json()["services"] == {"speech-to-text": "idle"}
    ask = client.audio.transcriptions.create
    options = {"model": "whisper-toy-random", "file": ("clip.wav", WAV), "language": "en"}
    plain = ask(**options)
    text = ask(**options, response_format="text")
    verbose = ask(**options, response_format="verbose_json")
    assert plain.usage.seconds == 2.0
    assert text.strip() == plain.text.strip()
    assert (verbose.language, verbose.duration) == ("en", 2.0)
    assert service.client.get("/health").json()["services"] == {"speech-to-text": "ready"}
    assert service.value("speech_real_time_factor_count") == 3
    assert service.value("speech_audio_seconds_total") == pytest.approx(6)
    assert [model.id for model in client.models.list()] == ["tiny", "whisper-toy-random"]


def test_silence_is_no_words_and_no_work(small: Service) -> None:
    silence = write_audio(np.zeros(RATE, np.float32), RATE, "wav")
    before = small.value("speech_batch_size_count")
    assert ask_openai(small).create(model="default", file=("s.wav", silence)).text == ""
    assert small.value("speech_batch_size_count") == before


@pytest.mark.parametrize(
    ("change", "status", "code", "names"),
    [
        ({"language": "pt"}, 400, "unusable_input", "pt"),
        ({"language": "klingon"}, 400, "invalid_language", "klingon"),
        ({"model": "whisper-1"}, 404, "model_not_found", "whisper-toy-random"),
        ({"file": ("clip.wav", b"hello")}, 400, "unusable_audio", "sound"),
        ({"file": ("clip.wav", bytes(300_000))}, 413, "too_large", "200,000"),
        ({"response_format": "srt"}, 400, "invalid_request", "response_format"),
        ({"stream": True}, 400, "invalid_request", "stream"),
        ({"timestamp_granularities": ["word"]}, 400, "invalid_request", "timestamp_granularities"),
        ({"file": ("clip.wav", bytes(2_000_000))}, 413, "too_large", "1,248,576"),
        ({"temperature": 2}, 400, "invalid_request", "temperature"),
    ],
)
def test_what_can_not_be_done_is_a_clear_error(
    small: Service, change: Any, status: int, code: str, names: str
) -> None:
    with pytest.raises(openai.APIStatusError, match=names) as found:
        ask_openai(small).create(
            **{"model": "default", "file": ("clip.wav", WAV), "language": "en", **change}
        )
    assert (found.value.status_code, found.value.code) == (status, code)


def test_clips_that_come_together_are_heard_together(speech: MakeClient) -> None:
    service, client = speech(max_batch=4)
    client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
    os.kill(worker(service), signal.SIGSTOP)
    texts: list[str] = []

    def ask() -> None:
        answer = client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
        texts.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    wait_until(lambda: service.value("speech_running_requests") == 1, "one is being heard")
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: service.value("speech_queue_length") == 3, "three wait")
    os.kill(worker(service), signal.SIGCONT)
    for thread in threads:
        thread.join(300)
    assert len(texts) == 4
    # The first alone (twice: the warming one too), then three at once.
    assert service.value("speech_batch_size_sum") == 5
    assert service.value("speech_batch_size_count") == 3


def test_a_worker_that_dies_fails_its_clip_and_the_chat_never_notices(speech: MakeClient) -> None:
    service, client = speech()
    client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
    pid = worker(service)
    os.kill(pid, signal.SIGSTOP)
    failures: list[openai.APIStatusError] = []

    def ask() -> None:
        try:
            client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
        except openai.APIStatusError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: service.value("speech_running_requests") == 1, "it is being heard")
    # While the worker hangs, chats are answered as ever.
    chat = service.client.post(PATH, json={"messages": HELLO}).json()
    assert chat["choices"][0]["message"]["content"] == SCRIPT
    os.kill(pid, signal.SIGKILL)
    thread.join(300)
    assert [(error.status_code, error.code) for error in failures] == [(503, "worker_failed")]
    assert service.client.get("/health").json()["services"] == {"speech-to-text": "failed"}
    again = client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
    assert again.usage.seconds == 2.0
    assert worker(service) != pid


def test_a_client_that_leaves_gives_up_its_place(speech: MakeClient) -> None:
    service, client = speech(max_batch=1, max_queue=1)
    client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
    os.kill(worker(service), signal.SIGSTOP)
    # One runs, one waits, and each leaves before the next comes.
    for place in ("speech_running_requests", "speech_queue_length", "speech_queue_length"):
        service.ask_and_leave(
            lambda place=place: service.value(place) == 1,
            "/v1/audio/transcriptions", data={"model": "default"}, files={"file": ("a.wav", WAV)},
        )  # fmt: skip
        wait_until(lambda: service.value("speech_queue_length") == 0, "it left the queue")
    os.kill(worker(service), signal.SIGCONT)
    wait_until(lambda: service.value("speech_running_requests") == 0, "the worker is free")
    assert service.value('speech_requests_total{outcome="cancelled"}') == 3


def test_no_weights_is_an_error_that_says_so(speech: MakeClient, tmp_path: Path) -> None:
    service, client = speech(model_dir=tmp_path, preload=True)
    with pytest.raises(openai.InternalServerError, match=r"lacks config\.json"):
        client.audio.transcriptions.create(model="default", file=("clip.wav", WAV))
    assert service.client.get("/health").json()["services"] == {"speech-to-text": "failed"}
    assert service.client.get("/health").status_code == 200


def test_a_file_that_would_find_no_place_is_refused_before_it_is_decoded(
    speech: MakeClient,
) -> None:
    service, client = speech(max_batch=1, max_queue=0)
    ask = client.audio.transcriptions.create
    ask(model="default", file=("clip.wav", WAV))
    os.kill(worker(service), signal.SIGSTOP)
    thread = threading.Thread(target=ask, kwargs={"model": "default", "file": ("clip.wav", WAV)})
    thread.start()
    try:
        wait_until(lambda: service.value("speech_running_requests") == 1, "one is being heard")
        with pytest.raises(openai.InternalServerError) as refusal:
            ask(model="default", file=("no-sound.wav", b"hello"))
    finally:
        os.kill(worker(service), signal.SIGCONT)
        thread.join(60)
    assert (refusal.value.status_code, refusal.value.code) == (503, "queue_full")
    assert service.value('speech_requests_total{outcome="queue_full"}') == 1
