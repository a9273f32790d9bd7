"""Settings of speech to text and of text to speech."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DictationSettings(_Strict):
    """Live dictation: at most `max_sessions` at once, each up to `max_session_s` seconds of audio.

    A session's utterance ends after `pause_s` of silence, or after `max_utterance_s` (a window of
    Whisper holds 30 s). While it lasts, a partial text is made after every `partial_every_s` of new
    audio, unless the queue has other work. No more is read from a client while `max_backlog_s` of
    its sound is not understood yet. A client that sends nothing for `idle_timeout_s` is
    disconnected.
    """

    max_sessions: Annotated[int, Field(ge=1)] = 8
    max_session_s: Positive = 900.0
    max_utterance_s: Annotated[float, Field(gt=1, le=30)] = 20.0
    pause_s: Positive = 0.7
    partial_every_s: Positive = 2.0
    max_backlog_s: Annotated[float, Field(gt=30)] = 60.0
    idle_timeout_s: Positive = 30.0


class SpeechSettings(_Strict):
    """Speech to text.

    `model_dir` is an mlx-whisper folder; `language` holds where a request names none. Up to
    `max_batch` windows of 30 s, of any clips, are recognised together; up to `max_queue` clips
    wait, each at most `queue_timeout_s`. A turn that lasts longer than `turn_timeout_s` ends the
    worker. The worker yields to others by `niceness`; with `preload` it loads its model at the
    start, else with the first request.
    """

    model_dir: Path
    model_name: NonEmpty
    language: NonEmpty = "en"
    max_batch: Annotated[int, Field(ge=1, le=64)] = 4
    max_queue: Annotated[int, Field(ge=0)] = 16
    queue_timeout_s: Positive = 60.0
    turn_timeout_s: Positive = 180.0
    start_timeout_s: Positive = 120.0
    max_audio_s: Positive = 600.0
    max_upload_bytes: Annotated[int, Field(ge=1)] = 25 * 1024**2
    blas_threads: Annotated[int, Field(ge=1, le=256)] = 1
    niceness: Annotated[int, Field(ge=0, le=19)] = 5
    preload: bool = False
    dictation: DictationSettings = DictationSettings()


class VoiceSettings(_Strict):
    """Text to speech by a program of the machine.

    espeak-ng (Debian), `say` (macOS) or piper; `program` is its path. `voice` is one of the
    program's voices (for piper: the path of its .onnx file) and holds for requests that name one of
    OpenAI's. `parallel` texts are spoken at once; up to `max_queue` wait, each at most
    `queue_timeout_s`.
    """

    engine: Literal["espeak-ng", "say", "piper"]
    program: Path
    voice: NonEmpty
    model_name: NonEmpty
    parallel: Annotated[int, Field(ge=1, le=64)] = 1
    max_queue: Annotated[int, Field(ge=0)] = 32
    queue_timeout_s: Positive = 10.0
    synthesis_timeout_s: Positive = 30.0
    max_characters: Annotated[int, Field(ge=1)] = 4096
