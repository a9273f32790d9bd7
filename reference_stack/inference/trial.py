"""Everything one node can serve, on this machine, without a stack: to try it, or to build on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from reference_stack.inference.settings import InferenceSettings
from reference_stack.models import ensure_model, model_cache
from reference_stack.speech.settings import SpeechSettings, VoiceSettings
from reference_stack.vision.settings import FaceSettings, VisionSettings

LANGUAGE_MODEL = "smollm2-135m"
SPEECH_MODEL = "whisper-tiny-en"
FACE_MODEL = "dlib-resnet-face"
# The first that is installed speaks: program, voice, model's name.
_VOICES = (
    ("espeak-ng", "pt-br", "espeak-ng"),
    ("say", "Luciana", "apple-system-voice"),
)


def trial_settings(port: int, progress: Callable[[str], None]) -> InferenceSettings:
    """Chat, speech, voice, faces and images with the small models, fetched where they are missing.

    Raises the errors of `reference_stack.models`.
    """
    cache = model_cache()
    return InferenceSettings(
        port=port,
        site="trial",
        model_dir=ensure_model(LANGUAGE_MODEL, cache, progress),
        model_name=LANGUAGE_MODEL,
        speech=SpeechSettings(
            model_dir=ensure_model(SPEECH_MODEL, cache, progress), model_name=SPEECH_MODEL
        ),
        voice=_voice(),
        vision=VisionSettings(
            faces=FaceSettings(
                model_dir=ensure_model(FACE_MODEL, cache, progress), model_name=FACE_MODEL
            ),
            images=True,
        ),
    )


def _voice() -> VoiceSettings | None:
    for engine, voice, name in _VOICES:
        if program := shutil.which(engine):
            return VoiceSettings.model_validate(
                {"engine": engine, "program": program, "voice": voice, "model_name": name}
            )
    return None
