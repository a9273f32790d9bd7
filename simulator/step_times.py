"""How long the steps of a language model server take."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import model_validator

from architecture.values import Range, Strict
from simulator.streams import Streams

FIELDS = ("prefill_base_s", "prefill_per_token_s", "decode_base_s", "decode_per_sequence_s")
CONTEXT_FIELDS = ("prefill_per_token_squared_s", "decode_per_context_token_s")
ALL_FIELDS = (*FIELDS, *CONTEXT_FIELDS)


@dataclass(frozen=True)
class StepTimes:
    """Durations of the two kinds of step.

    prefill of a prompt of n tokens: ``base + per_token · n + per_token_squared · n²``, up to the
    answer's first token; prompts read together pay the base once. decode: ``base + per_sequence · b
    + per_context_token · m`` for one further token of b answers whose contexts have m tokens in all
    (the step model of vLLM-like servers, as in Vidur and BLIS).
    """

    prefill_base_s: float
    prefill_per_token_s: float
    decode_base_s: float
    decode_per_sequence_s: float
    prefill_per_token_squared_s: float = 0.0
    decode_per_context_token_s: float = 0.0

    def prefill_s(self, tokens: int) -> float:
        """Seconds to read one prompt of ``tokens`` tokens."""
        return self.prefill_base_s + self.reading_s(tokens)

    def reading_s(self, tokens: int, before: int = 0) -> float:
        """Seconds for ``tokens`` tokens of a prompt after ``before`` others, without the base."""
        pairs = tokens * (tokens + 2 * before)
        return self.prefill_per_token_s * tokens + self.prefill_per_token_squared_s * pairs

    def decode_s(self, batch: int, context: int = 0) -> float:
        """Seconds of one decode step of ``batch`` sequences with ``context`` tokens in all."""
        return (
            self.decode_base_s
            + self.decode_per_sequence_s * batch
            + self.decode_per_context_token_s * context
        )


NOTHING = Range(low=0.0, typical=0.0, high=0.0, source="contained in the other coefficients")


class StepTimesRange(Strict):
    """Step times as far as they are known: a range for each coefficient."""

    prefill_base_s: Range
    prefill_per_token_s: Range
    decode_base_s: Range
    decode_per_sequence_s: Range
    prefill_per_token_squared_s: Range = NOTHING
    decode_per_context_token_s: Range = NOTHING

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
        return StepTimes(**{field: getattr(self, field).typical for field in ALL_FIELDS})

    def draw(self, streams: Streams) -> StepTimes:
        """One world: each coefficient triangular in its range, drawn independently.

        Base and slope of a fit err in opposite directions, so independent draws overstate the
        uncertainty a little; that is the safe side.
        """
        return StepTimes(
            **{
                field: streams.within(f"step-times.{field}", getattr(self, field))
                for field in ALL_FIELDS
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
            for field in ALL_FIELDS
        }
    )
