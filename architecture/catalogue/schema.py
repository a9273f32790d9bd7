"""What the catalogue files hold."""

from __future__ import annotations

import math
import os
from typing import Literal

from pydantic import Field

from architecture.values import Level, ModelName, Name, NonNegative, Range, Strict

# How a figure was come by, from the most to the least trustworthy.
Basis = Literal["measured", "published", "extrapolated"]

WHISPER_WINDOW_S = 30.0


class Hardware(Strict):
    """A machine, or a deployment in the cloud that a design treats as one.

    Money: ``purchase_price_…`` is for one machine, ``hourly_price_usd`` for one hour of it running.
    """

    title: str
    source: str = Field(description="of the plain specifications: cores, memory, storage")
    cpu_cores: int | None = Field(ge=1, description="null: ask the machine itself")
    gpu_cores: int | None = Field(default=None, ge=1)
    memory_bytes: int | None = Field(ge=1, description="null: ask the machine itself")
    storage_bytes: int | None = Field(default=None, ge=1)
    memory_bandwidth_bytes_s: Range | None = None
    peak_flops: Range | None = Field(
        default=None, description="of the accelerator in 16 bits, multiply and add counted apart"
    )
    purchase_price_usd: Range | None = None
    purchase_price_brl: Range | None = None
    hourly_price_usd: Range | None = None
    power_w: Range | None = Field(default=None, description="idle, under this load, at most")
    regions: tuple[str, ...] = Field(default=(), description="cloud regions that offer it")
    notes: str = ""

    @property
    def processors(self) -> int:
        """Processor cores; of a machine without a figure, those of the computer this runs on."""
        return self.cpu_cores or os.cpu_count() or 1


class Model(Strict):
    """A model's size.

    ``kv_bytes_per_token`` is the attention cache that one more token of one sequence takes.
    """

    title: str
    kind: Literal[
        "language", "speech-to-text", "text-to-speech", "face", "image", "analytics"
    ]  # fmt: skip
    parameters: Range | None = None
    compute_parameters: Range | None = Field(
        default=None,
        description="that every token passes through, without embeddings and other modalities",
    )
    streamed_bytes: Range | None = Field(
        default=None, description="weights read for one decoded token; null: all of them"
    )
    weight_bytes: Range | None = None
    kv_bytes_per_token: Range | None = None
    context_tokens: int | None = Field(default=None, ge=1)
    notes: str = ""


class Performance(Strict):
    """Speed of a language model on a machine, batched continuously.

    Reading a prompt of n tokens takes ``prefill_base_s + n·prefill_per_token_s +
    n²·prefill_per_token_squared_s``; one decoding step of a batch of b sequences with m tokens of
    context in all, which gives each of them one token, takes ``decode_base_s +
    b·decode_per_sequence_s + m·decode_per_context_token_s``. It is the step model of vLLM-like
    servers; a last term that is not given is zero, or contained in the one before it.
    """

    model: ModelName
    hardware: Name
    basis: Basis
    prefill_base_s: Range
    prefill_per_token_s: Range
    decode_base_s: Range
    decode_per_sequence_s: Range
    prefill_per_token_squared_s: Range | None = None
    decode_per_context_token_s: Range | None = None

    def prefill_s(self, prompt_tokens: NonNegative, level: Level = "typical") -> float:
        """Seconds to read a prompt of ``prompt_tokens`` tokens."""
        per_token = self.prefill_per_token_s.at(level)
        return self.prefill_base_s.at(level) + prompt_tokens * per_token

    def decode_step_s(self, batch: int, level: Level = "typical") -> float:
        """Seconds of one decoding step that gives each of ``batch`` sequences one token."""
        return self.decode_base_s.at(level) + batch * self.decode_per_sequence_s.at(level)


class Transcription(Strict):
    """Speed of a speech-to-text model on a machine.

    Whisper pads every clip to windows of 30 s, so a dictation of five seconds costs a whole one.
    """

    model: ModelName
    hardware: Name
    basis: Basis
    window_s: Range = Field(description="processing seconds of one window of 30 s of audio")

    def transcribe_s(self, audio_s: NonNegative, level: Level = "typical") -> float:
        """Seconds to transcribe ``audio_s`` seconds of audio that arrive at once."""
        windows = max(1, math.ceil(audio_s / WHISPER_WINDOW_S))
        return windows * self.window_s.at(level)


class ItemSpeed(Strict):
    """Speed of a model that works on items: photos, images, queries, seconds of speech.

    One request of u units takes ``base_s + u·per_unit_s`` alone on the machine.
    """

    model: ModelName
    hardware: Name
    basis: Basis
    runs_on: Literal["gpu", "cpu"]
    base_s: Range
    per_unit_s: Range


class Efficiency(Strict):
    """How much of a machine's peak a language model server gets: the roofline's shares.

    A decoding step takes ``step_overhead_s`` and the reading of the weights at ``bandwidth_share``
    of the peak bandwidth; reading prompts goes at ``compute_share`` of the peak operations.
    """

    bandwidth_share: Range
    compute_share: Range
    step_overhead_s: Range
    prefill_overhead_s: Range


class Sharing(Strict):
    """What several models on one accelerator cost each other.

    With more than one of them at work all together get ``1 / factor`` of what one alone gets.
    """

    factor: Range


class HardwareFile(Strict):
    """``hardware.yaml``."""

    hardware: dict[Name, Hardware]


class ModelsFile(Strict):
    """``models.yaml``."""

    models: dict[ModelName, Model]


class PerformanceFile(Strict):
    """``performance.yaml``."""

    language: tuple[Performance, ...]
    speech: tuple[Transcription, ...]
    items: tuple[ItemSpeed, ...] = ()
    efficiency: Efficiency
    sharing: Sharing
