"""Speaking into a real browser's microphone and looking into its camera, with the real models."""

from __future__ import annotations

import io
import shutil
import uuid
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from reference_stack.hospital.clinicians import Clinician, generate_support_staff
from reference_stack.hospital.dictation import PROGRAM, Voice, speech
from reference_stack.hospital.patients import Patient
from reference_stack.models import ensure_model, model_cache
from tests.api.api_server import SEED, api_settings, serving
from tests.api.postgres_server import PostgresServer
from tests.inference import tiny_model
from tests.inference.service_bench import served
from tests.speech.spoken import SENTENCES, word_errors, words
from tests.vision.test_real_faces import faces  # noqa: F401 - a fixture
from tests.web.browser import PHONE, Browser, browsing, missing
from tests.web.conftest import CLINICIANS
from tests.web.test_ward_round import sign_in
from tests.web.ward import password_of, physician_of

pytestmark = [
    pytest.mark.model,
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"needs {PROGRAM}"),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

#: Of the words said; espeak-ng's robot voice is not what Whisper learned from (docs/web-client.md).
WORD_ERRORS = 0.25
#: Before and after the sentence: the browser's microphone starts a moment before the page hears.
SILENCE_S = 1.0


@pytest.fixture(scope="module")
def site(
    hospital_database: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """One site: API, clinical database, speech to text and faces."""
    whisper = ensure_model("whisper-tiny-en", model_cache(), print)
    network = ensure_model("dlib-resnet-face", model_cache(), print)
    script = tiny_model.scripted_model(tmp_path_factory.mktemp("script") / "model", "ok")
    with served(
        script,
        speech={"model_dir": whisper, "model_name": "whisper-tiny-en"},
        vision={"faces": {"model_dir": network, "model_name": "dlib-resnet-face"}},
    ) as inference:
        settings = api_settings(hospital_database.url("hospital"), inference_url=inference.url)
        with serving(settings) as client:
            yield client


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears: one sentence, spoken as dictations are."""
    spoken = speech(SENTENCES[0], Voice("en-us", 150, 50))
    with wave.open(io.BytesIO(spoken)) as source:
        parameters, sound = source.getparams(), source.readframes(source.getnframes())
    silence = np.zeros(int(SILENCE_S * parameters.framerate), dtype="<i2").tobytes()
    path = tmp_path_factory.mktemp("microphone") / "said.wav"
    with wave.open(str(path), "wb") as target:
        target.setparams(parameters)
        target.writeframes(silence + sound + silence)
    return path


@pytest.fixture(scope="module")
def seen(faces: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """What the browser's camera sees: another picture of the person that is enrolled."""
    picture = Image.open(io.BytesIO(faces["obama2"])).convert("RGB")
    picture.thumbnail((640, 640))
    frame = io.BytesIO()
    picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2)).save(frame, "JPEG")
    path = tmp_path_factory.mktemp("camera") / "seen.mjpeg"
    path.write_bytes(2 * frame.getvalue())
    return path


@pytest.fixture(scope="module")
def physician(site: httpx.Client, faces: dict[str, bytes]) -> Clinician:  # noqa: F811
    """A physician whose face the administrator has enrolled."""
    physician = physician_of(SEED, CLINICIANS)
    administrator = next(
        person for person in generate_support_staff(SEED) if person.role == "administrator"
    )
    entered = site.post(
        "/v1/login",
        json={
            "username": administrator.username,
            "password": password_of(administrator),
        },
    ).raise_for_status()
    site.put(
        f"/v1/clinicians/{physician.id}/face",
        content=faces["obama"],
        headers={
            "Authorization": f"Bearer {entered.json()['access_token']}",
            "Content-Type": "image/jpeg",
            "Idempotency-Key": str(uuid.uuid4()),
        },
    ).raise_for_status()
    return physician


@pytest.fixture(scope="module")
def browser(
    site: httpx.Client, said: Path, seen: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    url = str(site.base_url).rstrip("/")
    flags = (
        f"--use-file-for-fake-audio-capture={said}%noloop",
        f"--use-file-for-fake-video-capture={seen}",
    )
    with browsing(url, tmp_path_factory.mktemp("chromium"), *flags) as browser:
        browser.resize(PHONE)
        yield browser
        assert browser.complaints() == []


def test_a_clinician_enters_by_another_picture_of_the_enrolled_face(
    browser: Browser, physician: Clinician
) -> None:
    browser.open()
    browser.click("#face")
    browser.see("#face-state", "Olhe para a câmera")
    browser.wait(lambda: browser.script("return document.querySelector('video').videoWidth"), "it")
    browser.picture("login-face")
    browser.click("#face")
    browser.see("#bar", physician.name, 180)
    assert browser.script("return document.querySelectorAll('video').length") == 0


def test_a_dictated_sentence_is_written_with_few_word_errors(
    browser: Browser, inpatient: Patient, physician: Clinician, said: Path
) -> None:
    with wave.open(str(said)) as sound:
        length_s = sound.getnframes() / sound.getframerate()
    if not browser.text("#bar"):
        browser.open()
        sign_in(browser, physician)
    browser.open(f"/app/#/patients/{inpatient.id}/notas")
    browser.click("#dictate")
    clock = browser.find(".dictation .number")
    browser.wait(lambda: seconds(clock.text) >= length_s, "the sentence to end", 120)
    browser.picture("dictating")
    browser.click("#dictate")
    browser.wait(lambda: browser.value("#note") != "", "the words", 300)
    browser.picture("dictated")
    heard = browser.value("#note")
    assert word_errors(SENTENCES[0], heard) / len(words(SENTENCES[0])) <= WORD_ERRORS, heard


def seconds(clock: str) -> int:
    minutes, _, rest = clock.partition(":")
    return 60 * int(minutes or 0) + int(rest or 0)
