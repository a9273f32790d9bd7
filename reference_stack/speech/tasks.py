"""What the service asks of its worker, and what it gets. Nothing here knows mlx or HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from reference_stack.speech.audio import Samples


@dataclass(frozen=True)
class HearOptions:
    """How windows are recognised; windows with equal options can be recognised together.

    `language` is a code such as en or pt. `prompt` is text the speaker may have said before: it
    teaches spelling. With `timestamps` the text comes in timed segments.
    """

    language: str
    prompt: str = ""
    temperature: float = 0.0
    timestamps: bool = False


@dataclass(frozen=True)
class HearTask:
    """Windows to be recognised together, each at most 30 s of 16 kHz samples."""

    windows: tuple[Samples, ...]
    options: HearOptions


@dataclass(frozen=True)
class HeardSegment:
    """Text between two times, in seconds into the window, with Whisper's own measures of doubt."""

    start_s: float
    end_s: float
    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Heard:
    """What was understood in one window.

    `mean_log_probability` is the mean over its tokens, `no_speech` the probability that nobody
    speaks, `temperature` the one that gave this text.
    """

    text: str
    segments: tuple[HeardSegment, ...]
    mean_log_probability: float
    no_speech: float
    compression: float
    temperature: float
