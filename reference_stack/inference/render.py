"""The settings and process of a site's models: chat, and beside it speech, faces and images.

The language model's process serves the others too, so that a client has one address; each of them
works in a process of its own (see ``serving.child``). What a site serves is what its ``services``
name; ``companions`` say with which model.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from architecture.errors import InputError
from reference_stack.errors import PreconditionError
from reference_stack.models.sync import publish
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec

#: The folder of a stack that releases of its model are published in.
RELEASE = "model-release"
#: Services whose companion is a folder of weights.
COMPANIONS_WITH_MODELS: Final = frozenset({"speech-to-text", "face-login"})

#: A site that is stopped on purpose gives its services 10 s, goodbyes included.
DRAIN_S: Final = 7.0

# Voices are programs of the machine: by the catalogue's name, the program and a Brazilian voice.
_VOICES: Final = {
    "espeak-ng": ("espeak-ng", "pt-br"),
    "apple-system-voice": ("say", "Luciana"),
}


def inference_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's inference server.

    With ``inference.model_sync`` every node keeps a copy of its own, taken from the stack's
    release; without, all of them read the one folder of the machine's cache.

    Raises:
        InputError: for a service without a companion, or a companion this stack can't run.
        PreconditionError: when the program of a voice is missing.
    """
    inference = context.design.inference
    here = context.endpoint("inference")
    sync = inference.model_sync
    model_dir = context.programs.model
    if sync is not None:
        publish(context.directory / RELEASE, context.programs.model)
        model_dir = context.folder / "models"
    settings = {
        "host": here.host,
        "port": here.port,
        "site": context.site,
        "model_dir": str(model_dir),
        "model_name": inference.model,
        "model_sync": None
        if sync is None
        else {
            "release": str(context.directory / RELEASE),
            "checksum": sync.checksum,
            "integrity_check": sync.integrity_check,
        },
        "max_batch": inference.max_batch,
        "max_queue": inference.max_queue,
        "queue_timeout_s": inference.queue_timeout_s,
        "max_prompt_tokens": inference.max_prompt_tokens,
        "max_answer_tokens": inference.max_answer_tokens,
        "drain_timeout_s": DRAIN_S,
        "speech": _speech(context),
        "voice": _voice(context),
        "vision": _vision(context),
    }
    return [context.python_service("inference", "reference_stack.inference", settings)]


def _serves(context: SiteContext, service: str) -> bool:
    return service in context.design.sites[context.site].services


def _model(context: SiteContext, service: str) -> str:
    companion = context.design.companions.get(service)
    if companion is None or context.site not in companion.sites:
        raise InputError(
            f"{context.site} serves {service}, and no model is named for it",
            where=f"companions.{service}",
            allowed=f"{{model: NAME, sites: [{context.site}, …]}}",
        )
    return companion.model


def _folder(context: SiteContext, model: str) -> Path:
    return context.programs.companions[model]


def _speech(context: SiteContext) -> dict[str, Any] | None:
    if not _serves(context, "speech-to-text"):
        return None
    model = _model(context, "speech-to-text")
    return {
        "model_dir": str(_folder(context, model)),
        "model_name": model,
        # Whisper's English-only models say so in their names.
        "language": "en" if model.endswith("-en") else "pt",
    }


def _voice(context: SiteContext) -> dict[str, Any] | None:
    if not _serves(context, "text-to-speech"):
        return None
    model = _model(context, "text-to-speech")
    engine, voice = _voice_of(model)
    program = voice_program(model, context.programs.paths)
    if program is None:
        raise PreconditionError(
            f"the program '{engine}' is missing: run `testbed doctor --fix`, or choose another "
            "companions.text-to-speech.model"
        )
    return {"engine": engine, "program": program, "voice": voice, "model_name": model}


def _voice_of(model: str) -> tuple[str, str]:
    if model not in _VOICES:
        raise InputError(
            f"got '{model}'", where="companions.text-to-speech.model", allowed=", ".join(_VOICES)
        )
    return _VOICES[model]


def voice_program(model: str, programs: Mapping[str, Path]) -> str | None:
    """Where the program of the voice ``model`` lies, or None when this machine lacks it.

    Raises:
        InputError: for a voice that this stack doesn't know.
    """
    engine, _ = _voice_of(model)
    found = programs.get(engine) or shutil.which(engine)
    return None if found is None else str(found)


def _vision(context: SiteContext) -> dict[str, Any] | None:
    faces, images = _serves(context, "face-login"), _serves(context, "image-analysis")
    if not (faces or images):
        return None
    model = _model(context, "face-login") if faces else None
    return {
        "faces": None
        if model is None
        else {"model_dir": str(_folder(context, model)), "model_name": model},
        "images": images,
    }
