"""Text to speech with the machine's espeak-ng, through OpenAI's client."""

import io
import shutil
import sys
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from reference_stack.speech.audio import read_audio
from tests.inference.service_bench import MakeService, Service, served

PROGRAM = shutil.which("espeak-ng")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs espeak-ng")

MakeClient = Callable[..., tuple[Service, openai.OpenAI]]


SETTINGS = {
    "engine": "espeak-ng",
    "program": PROGRAM,
    "voice": "pt-br",
    "model_name": "espeak-ng",
}


def client_of(service: Service) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def shared(script_dir: Path) -> Iterator[Service]:
    """A service that the tests share."""
    with served(script_dir, voice=SETTINGS) as service:
        yield service


@pytest.fixture
def voice(make_service: MakeService, shared: Service):
    def make(**options: Any):
        service = make_service(voice={**SETTINGS, **options}) if options else shared
        return service, client_of(service)

    return make


def test_a_sentence_becomes_a_sound_in_every_format(voice: MakeClient) -> None:
    service, client = voice()
    before = service.value('voice_requests_total{outcome="done"}')
    durations = []
    for form in ("wav", "flac", "mp3", "opus"):
        answer = client.audio.speech.create(
            model="espeak-ng", voice="alloy", input="A paciente está sem febre.",
            response_format=form,
        )  # fmt: skip
        durations.append(len(read_audio(answer.read(), 30)) / 16_000)
    assert min(durations) > 1
    assert max(durations) - min(durations) < 0.2
    assert service.value('voice_requests_total{outcome="done"}') == before + 4
    assert service.value("voice_real_time_factor_count") >= 4


def test_a_wav_has_a_header_that_is_true(voice: MakeClient) -> None:
    _, client = voice()
    sound = client.audio.speech.create(
        model="default", voice="alloy", input="Olá.", response_format="wav"
    ).read()
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() * 2 == len(sound) - 44


def test_twice_the_speed_takes_about_half_the_time(voice: MakeClient) -> None:
    _, client = voice()
    sentence = "The patient has had a fever for three days and is feeling better today."
    lengths = [
        len(client.audio.speech.create(
            model="espeak-ng", voice="en-us", input=sentence, speed=speed, response_format="wav"
        ).read())
        for speed in (1.0, 2.0)
    ]  # fmt: skip
    assert 0.4 < lengths[1] / lengths[0] < 0.65


@pytest.mark.parametrize("text", ["-h", "--version", "$(id) `id`; \"'", "<script>", "é" * 300])
def test_any_text_is_spoken_and_never_an_option(voice: MakeClient, text: str) -> None:
    _, client = voice()
    answer = client.audio.speech.create(
        model="espeak-ng", voice="alloy", input=text, response_format="wav"
    )
    assert read_audio(answer.read(), 120).any()


@pytest.mark.parametrize(
    ("change", "error", "names"),
    [
        ({"voice": "nobody"}, openai.BadRequestError, "voice"),
        ({"voice": "-x"}, openai.BadRequestError, "voice"),
        ({"voice": "gmw/en"}, openai.BadRequestError, "there is no 'gmw/en'"),
        ({"voice": "mb-br1"}, openai.BadRequestError, "does not have it"),
        ({"input": "a" * 5000}, openai.BadRequestError, "4096"),
        ({"model": "tts-1"}, openai.NotFoundError, "espeak-ng"),
        ({"response_format": "aac"}, openai.BadRequestError, "response_format"),
    ],
)
def test_what_can_not_be_done_is_a_clear_error(
    voice: MakeClient, change: Any, error: type[openai.APIStatusError], names: str
) -> None:
    _, client = voice()
    with pytest.raises(error, match=names):
        client.audio.speech.create(
            **{"model": "espeak-ng", "voice": "alloy", "input": "hello", **change}
        )


def test_a_program_that_hangs_is_ended(voice: MakeClient, tmp_path: Path) -> None:
    program = program_of(tmp_path, "#!/bin/sh\nexec sleep 600\n")
    service, client = voice(program=program, synthesis_timeout_s=0.2)
    with pytest.raises(openai.InternalServerError) as found:
        client.audio.speech.create(model="espeak-ng", voice="alloy", input="hello")
    assert (found.value.status_code, found.value.code) == (503, "worker_timeout")
    assert service.value("voice_running_requests") == 0


PIPER = """#!{python}
import sys, wave
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert options["--model"] == "/voices/joe.onnx", options
with wave.open(options["--output-file"], "wb") as file:
    file.setparams((1, 2, 22050, 0, "NONE", ""))
    file.writeframes(bytes(2 * len(sys.stdin.read())))
"""


def program_of(tmp_path: Path, text: str) -> str:
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(0o755)
    return str(program)


def test_piper_speaks_with_the_site_s_voice_and_refuses_others(
    voice: MakeClient, tmp_path: Path
) -> None:
    """The options are those of piper's documentation; the program here only takes them."""
    program = program_of(tmp_path, PIPER.format(python=sys.executable))
    _, client = voice(engine="piper", program=program, voice="/voices/joe.onnx")
    options = {"model": "default", "input": "two\nlines", "response_format": "wav"}
    sound = client.audio.speech.create(voice="alloy", **options).read()
    assert len(sound) == 44 + 2 * len("two lines")
    with pytest.raises(openai.BadRequestError, match="there is no 'amy'"):
        client.audio.speech.create(voice="amy", **options)


def test_a_program_that_writes_no_sound_has_failed(voice: MakeClient, tmp_path: Path) -> None:
    _, client = voice(engine="say", program=program_of(tmp_path, "#!/bin/sh\nexit 0\n"))
    with pytest.raises(openai.InternalServerError) as found:
        client.audio.speech.create(model="default", voice="alloy", input="hello")
    assert (found.value.status_code, found.value.code) == (503, "worker_failed")


def test_one_text_s_unknown_voice_is_not_another_text_s_error(voice: MakeClient) -> None:
    service, client = voice(parallel=2)

    def ask(name: str) -> str:
        try:
            client.audio.speech.create(model="default", voice=name, input="hello " * 30)
        except openai.BadRequestError as error:
            return error.code
        return "spoken"

    with ThreadPoolExecutor(6) as executor:
        outcomes = list(executor.map(ask, ["alloy", "nobody"] * 3))
    assert outcomes == ["spoken", "unusable_input"] * 3
    assert service.value("voice_batch_size_sum") == 6
