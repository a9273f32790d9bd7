"""Text to speech with the machine's espeak-ng, through OpenAI's client."""

import io
import shutil
import wave
from collections.abc import Iterator

import openai
import pytest

from reference_stack.speech.audio import read_audio
from tests.inference.service_bench import Service, served

PROGRAM = shutil.which("espeak-ng")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs espeak-ng")


SETTINGS = {
    "engine": "espeak-ng",
    "program": PROGRAM,
    "voice": "pt-br",
    "model_name": "espeak-ng",
}


def client_of(service: Service) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def shared(script_dir) -> Iterator[Service]:
    """A service that the tests share."""
    with served(script_dir, voice=SETTINGS) as service:
        yield service


@pytest.fixture
def voice(make_service, shared):
    def make(**options):
        service = make_service(voice={**SETTINGS, **options}) if options else shared
        return service, client_of(service)

    return make


def test_a_sentence_becomes_a_sound_in_every_format(voice):
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


def test_a_wav_has_a_header_that_is_true(voice):
    _, client = voice()
    sound = client.audio.speech.create(
        model="default", voice="alloy", input="Olá.", response_format="wav"
    ).read()
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() * 2 == len(sound) - 44


def test_twice_the_speed_takes_about_half_the_time(voice):
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
def test_any_text_is_spoken_and_never_an_option(voice, text):
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
        ({"input": "a" * 5000}, openai.BadRequestError, "4096"),
        ({"model": "tts-1"}, openai.NotFoundError, "espeak-ng"),
        ({"response_format": "aac"}, openai.BadRequestError, "response_format"),
    ],
)
def test_what_can_not_be_done_is_a_clear_error(voice, change, error, names):
    _, client = voice()
    with pytest.raises(error, match=names):
        client.audio.speech.create(
            **{"model": "espeak-ng", "voice": "alloy", "input": "hello", **change}
        )


def test_a_program_that_hangs_is_ended(voice, tmp_path):
    program = tmp_path / "slow"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    service, client = voice(program=str(program), synthesis_timeout_s=0.2)
    with pytest.raises(openai.InternalServerError) as found:
        client.audio.speech.create(model="espeak-ng", voice="alloy", input="hello")
    assert (found.value.status_code, found.value.code) == (503, "worker_timeout")
    assert service.value("voice_running_requests") == 0
