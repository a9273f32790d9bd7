"""Models beside the language model: speech, voice, face, images, analytics."""

from __future__ import annotations

import math
from dataclasses import dataclass

from architecture import catalogue
from architecture.catalogue.schema import WHISPER_WINDOW_S
from architecture.errors import InputError
from architecture.values import Range
from simulator.streams import Streams


@dataclass(frozen=True)
class CompanionCost:
    """Seconds of one request alone on the machine; ``window_s`` is set for speech to text.

    Whisper pads a clip to whole windows of 30 s, so that five seconds of speech cost one.
    """

    on_gpu: bool
    base_s: float = 0.0
    per_unit_s: float = 0.0
    window_s: float | None = None

    def needed_s(self, units: float) -> float:
        """Seconds for ``units``: seconds of audio for speech to text, else items."""
        if self.window_s is not None:
            return max(1, math.ceil(units / WHISPER_WINDOW_S)) * self.window_s
        return self.base_s + units * self.per_unit_s


@dataclass(frozen=True)
class CompanionRange:
    """A :class:`CompanionCost` as far as it is known."""

    on_gpu: bool
    base_s: Range | None = None
    per_unit_s: Range | None = None
    window_s: Range | None = None

    def draw(self, streams: Streams, source: str) -> CompanionCost:
        """One world: each figure triangular in its range."""

        def within(name: str, figure: Range | None) -> float:
            return 0.0 if figure is None else streams.within(f"{source}.{name}", figure)

        return CompanionCost(
            on_gpu=self.on_gpu,
            base_s=within("base", self.base_s),
            per_unit_s=within("unit", self.per_unit_s),
            window_s=None if self.window_s is None else within("window", self.window_s),
        )


def companion_range(model: str, hardware: str) -> CompanionRange:
    """What a companion costs on a machine: the catalogue's figure, else scaled from another.

    What runs on the accelerator scales by the machines' peak operations, what runs on the processor
    is taken over (single cores of these machines differ by a fifth at most).

    Raises:
        InputError: when the catalogue has no figure of the model on any machine that can be scaled.
    """
    found = _known(model, hardware)
    if found is not None:
        return found
    for other in catalogue.hardware_names():
        found = _known(model, other)
        if found is None:
            continue
        if not found.on_gpu:
            return found
        theirs, ours = catalogue.hardware(other).peak_flops, catalogue.hardware(hardware).peak_flops
        if theirs is not None and ours is not None:
            return _scaled(found, theirs.typical / ours.typical, other)
    raise InputError(
        f"nothing is known of the speed of '{model}' on '{hardware}' or on a machine it could be "
        "scaled from; add the pair to the performance catalogue",
        where="the performance catalogue", key=model,
    )  # fmt: skip


def _known(model: str, hardware: str) -> CompanionRange | None:
    speech = catalogue.transcription(model, hardware)
    if speech is not None:
        return CompanionRange(on_gpu=True, window_s=speech.window_s)
    items = catalogue.item_speed(model, hardware)
    if items is not None:
        return CompanionRange(items.runs_on == "gpu", items.base_s, items.per_unit_s)
    return None


def _scaled(found: CompanionRange, factor: float, of: str) -> CompanionRange:
    """Wider by a quarter either way: peak operations are not everything."""

    def scale(figure: Range | None) -> Range | None:
        if figure is None:
            return None
        return Range(
            low=figure.low * factor / 1.25, typical=figure.typical * factor,
            high=figure.high * factor * 1.25,
            source=f"of {of}, by peak operations: {figure.source}",
        )  # fmt: skip

    return CompanionRange(
        found.on_gpu, scale(found.base_s), scale(found.per_unit_s), scale(found.window_s)
    )
