"""What a design's services make of a site's model process."""

import json
from pathlib import Path
from typing import Any

import pytest

from architecture.design import Design
from architecture.errors import InputError
from architecture.loading import load_design
from architecture.services import Companion
from reference_stack.addresses import plan
from reference_stack.inference.render import inference_services
from reference_stack.inference.settings import InferenceSettings
from reference_stack.rendering import Programs, SiteContext

COMPANIONS = {
    "speech-to-text": "whisper-tiny-en",
    "text-to-speech": "espeak-ng",
    "face-login": "dlib-resnet-face",
}
BESIDE = ("speech-to-text", "text-to-speech", "face-login", "image-analysis")


def design(services: tuple[str, ...], companions: dict[str, str]) -> Design:
    """`local`, with these of the services beside chat, on mac-1 alone."""
    local = load_design("local")
    sites = {}
    for name, site in local.sites.items():
        chat = tuple(service for service in site.services if service not in BESIDE)
        more = services if name == "mac-1" else ()
        sites[name] = site.model_copy(update={"services": (*chat, *more)})
    named = {name: Companion(model=model, sites=("mac-1",)) for name, model in companions.items()}
    return local.model_copy(update={"sites": sites, "companions": named})


def rendered(wanted: Design, folder: Path, site: str = "mac-1") -> InferenceSettings:
    programs = Programs(
        paths={"espeak-ng": Path("/bin/espeak-ng")},
        postgresql=Path("/"),
        model=Path("/model"),
        companions={name: Path("/models") / name for name in COMPANIONS.values()},
    )
    context = SiteContext(wanted, plan(tuple(wanted.sites), 3), folder, programs, site)
    (service,) = inference_services(context)
    settings = json.loads(Path(service.argv[-1]).read_text())
    return InferenceSettings.model_validate({**settings, "model_sync": None})


def test_a_site_serves_what_its_services_name_with_their_companions(tmp_path: Path) -> None:
    settings = rendered(design(BESIDE, COMPANIONS), tmp_path)
    assert settings.speech is not None
    assert settings.voice is not None
    assert settings.vision is not None
    assert settings.vision.faces is not None
    assert (settings.speech.model_name, settings.speech.language) == ("whisper-tiny-en", "en")
    assert (settings.voice.engine, settings.voice.voice) == ("espeak-ng", "pt-br")
    assert settings.vision.faces.model_dir == Path("/models/dlib-resnet-face")
    assert settings.vision.images


def test_a_site_without_them_serves_chat_alone(tmp_path: Path) -> None:
    settings = rendered(design(BESIDE, COMPANIONS), tmp_path, "mac-2")
    assert (settings.speech, settings.voice, settings.vision) == (None, None, None)


def test_images_need_no_model(tmp_path: Path) -> None:
    settings = rendered(design(("image-analysis",), {}), tmp_path)
    assert settings.vision is not None
    assert settings.vision.faces is None
    assert settings.vision.images


def test_a_multilingual_model_hears_portuguese(tmp_path: Path) -> None:
    wanted = design(("speech-to-text",), {"speech-to-text": "whisper-base"})
    programs = Programs(
        paths={},
        postgresql=Path("/"),
        model=Path("/model"),
        companions={"whisper-base": Path("/models/whisper-base")},
    )
    context = SiteContext(wanted, plan(tuple(wanted.sites), 3), tmp_path, programs, "mac-1")
    (service,) = inference_services(context)
    assert json.loads(Path(service.argv[-1]).read_text())["speech"]["language"] == "pt"


@pytest.mark.parametrize(
    ("companions", "names"),
    [
        ({}, "companions.face-login"),
        ({"face-login": "dlib-resnet-face", "text-to-speech": "robot"}, "espeak-ng"),
    ],
)
def test_a_service_that_can_not_be_had_is_a_clear_error(
    tmp_path: Path, companions: Any, names: str
) -> None:
    services = ("face-login", "text-to-speech") if companions else ("face-login",)
    with pytest.raises(InputError, match=names):
        rendered(design(services, companions), tmp_path)
