"""The settings file of one node's inference process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from reference_stack.speech.settings import SpeechSettings, VoiceSettings
from reference_stack.vision.settings import VisionSettings

NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class SettingsError(Exception):
    """The settings file can't be used; the message names file, key and what is allowed."""


class ModelSyncSettings(BaseModel):
    """How a node comes by its model: `release` is the folder that models are published in.

    With `checksum` every byte is compared before a model is loaded, with `integrity_check` it must
    generate a token before it serves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: Path
    checksum: bool = True
    integrity_check: bool = True


class InferenceSettings(BaseModel):
    """What one service needs to know.

    `max_batch` sequences decode together; up to `max_queue` requests wait for a place, each at
    most `queue_timeout_s`. `prefill_chunk_tokens` bounds how many tokens of a prompt are
    processed between two decode steps, so how long a newcomer makes the others wait. On SIGTERM
    requests have `drain_timeout_s` to finish. A step that lasts longer than `stall_timeout_s`
    makes the service unhealthy. `port` 0 takes any free port and logs it. With `model_sync` the
    folder `model_dir` is the node's own place for copies, see `reference_stack.models.sync`;
    without, it is the model. `prompt_cache_bytes` is the memory for prompts that were read before
    (0: none). `speech`, `voice` and `vision` are the other models that this process serves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: NonEmpty = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    site: NonEmpty
    model_dir: Path
    model_name: NonEmpty
    model_sync: ModelSyncSettings | None = None
    max_batch: Annotated[int, Field(ge=1, le=512)] = 8
    max_queue: Annotated[int, Field(ge=0)] = 64
    queue_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    max_prompt_tokens: Annotated[int, Field(ge=1)] = 2048
    max_answer_tokens: Annotated[int, Field(ge=1)] = 512
    blas_threads: Annotated[int, Field(ge=1, le=256)] = 1
    prefill_chunk_tokens: Annotated[int, Field(ge=1)] = 256
    prompt_cache_bytes: Annotated[int, Field(ge=0)] = 128 * 1024**2
    drain_timeout_s: Annotated[float, Field(ge=0)] = 10.0
    stall_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    speech: SpeechSettings | None = None
    voice: VoiceSettings | None = None
    vision: VisionSettings | None = None


def read_settings(path: Path) -> InferenceSettings:
    """The settings in the JSON file `path`. Raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        return InferenceSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise SettingsError(f"{path}: {key}: {first['msg']}") from error
