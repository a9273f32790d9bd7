"""How long the steps of a language model server take."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import model_validator

from architecture.values import Range, Strict
from simulator.streams import Streams

FIELDS = ("prefill_base_s", "prefill_per_token_s", "decode_base_s", "decode_per_sequence_s")


@dataclass(frozen=True)
class StepTimes:
    """Durations of the two kinds of step, linear in what they work on.

    prefill: ``base + per_token · n`` for n prompt tokens in all, up to the first token of each of
    the answers. decode: ``base + per_sequence · b`` for one further token of b answers.
    """

    prefill_base_s: float
    prefill_per_token_s: float
    decode_base_s: float
    decode_per_sequence_s: float

    def prefill_s(self, tokens: int) -> float:
        """Seconds to read prompts of ``tokens`` tokens in all."""
        return self.prefill_base_s + self.prefill_per_token_s * tokens

    def decode_s(self, batch: int) -> float:
        """Seconds of one decode step of ``batch`` sequences."""
        return self.decode_base_s + self.decode_per_sequence_s * batch


class StepTimesRange(Strict):
    """Step times as far as they are known: a range for each coefficient."""

    prefill_base_s: Range
    prefill_per_token_s: Range
    decode_base_s: Range
    decode_per_sequence_s: Range

    @model_validator(mode="after")
    def _takes_time(self) -> StepTimesRange:
        for kind in (
            (self.prefill_base_s, self.prefill_per_token_s),
            (self.decode_base_s, self.decode_per_sequence_s),
        ):
            if all(figure.typical == 0 for figure in kind):
                raise ValueError("a step must take time: base and slope cannot both be zero")
        return self

    @property
    def typical(self) -> StepTimes:
        """The typical value of each coefficient."""
        return StepTimes(**{field: getattr(self, field).typical for field in FIELDS})

    def draw(self, streams: Streams) -> StepTimes:
        """One world: each coefficient triangular in its range, drawn independently.

        Base and slope of a fit err in opposite directions, so independent draws overstate the
        uncertainty a little; that is the safe side.
        """
        return StepTimes(
            **{
                field: streams.within(f"step-times.{field}", getattr(self, field))
                for field in FIELDS
            }
        )


def exactly(steps: StepTimes, source: str) -> StepTimesRange:
    """A range without width, for figures that are taken as known."""
    return between(steps, steps, steps, source)


def between(low: StepTimes, typical: StepTimes, high: StepTimes, source: str) -> StepTimesRange:
    """A range from three sets of step times, each coefficient by itself."""
    return StepTimesRange(
        **{
            field: Range(
                low=getattr(low, field),
                typical=getattr(typical, field),
                high=getattr(high, field),
                source=source,
            )
            for field in FIELDS
        }
    )
