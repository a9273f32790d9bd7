"""Three-valued verdicts: held, refuted, inconclusive. No evidence is never "held"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from evidence.estimate import Estimate, trials_needed

Outcome = Literal["held", "refuted", "inconclusive"]

EXIT_NOTHING_REFUTED = 0
EXIT_REFUTED = 1
EXIT_BAD_INPUT = 2
EXIT_INCONCLUSIVE = 3


class NoVerdictError(Exception):
    """What was to give evidence could not be carried out: nothing can be said (exit code 3)."""


class Bound(BaseModel):
    """What an objective demands of its metric; one of the two is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_most: float | None = None
    at_least: float | None = None

    def met_by(self, value: float) -> bool:
        """Whether the value satisfies the bound; a value that is not a number never does."""
        if math.isnan(value):
            return False
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )


class Verdict(BaseModel):
    """What the evidence says about one objective."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    objective: str
    title: str
    verdict: Outcome
    target: str
    unit: str
    predicted: Estimate | None = None
    measured: Estimate | None = None
    n: int
    needed: int | None = None
    reason: str
    runs: tuple[str, ...] = ()

    @property
    def prediction_covers(self) -> bool | None:
        """Whether the predicted interval holds the measured figure; None when one is missing."""
        if self.predicted is None or self.measured is None:
            return None
        return self.predicted.covers(self.measured.estimate)


def judge_trials(values: Sequence[float], bound: Bound) -> tuple[Outcome, str, int]:
    """Judge a promise about *every* fault from the trials made.

    One counterexample refutes it. It is held after :func:`trials_needed` straight passes (95 % of
    faults within the bound at 95 % confidence); before that it is inconclusive.

    Returns:
        The outcome, its reason in words, and the number of trials needed.
    """
    needed = trials_needed()
    passes = sum(bound.met_by(value) for value in values)
    n = len(values)
    if n == 0:
        return "inconclusive", "no trial with a confirmed fault", needed
    if passes < n:
        return "refuted", f"{n - passes} of {n} trials broke the bound", needed
    if n < needed:
        return "inconclusive", f"{n} of {n} trials passed, {needed - n} more are needed", needed
    return "held", f"{n} straight passes", needed


def judge_interval(estimate: Estimate | None, bound: Bound) -> tuple[Outcome, str]:
    """Judge a promise about a figure from its interval.

    Held when the whole interval meets the bound, refuted when none of it does.
    """
    if estimate is None or estimate.n == 0:
        return "inconclusive", "nothing was measured"
    ends = bound.met_by(estimate.lower), bound.met_by(estimate.upper)
    level = f"{estimate.confidence * 100:g} % interval"
    if all(ends):
        return "held", f"the whole {level} meets the bound"
    if not any(ends):
        return "refuted", f"the whole {level} breaks the bound"
    return "inconclusive", f"the {level} holds values on both sides of the bound"


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 when a promise is refuted, else 3 when one is inconclusive or none was judged, else 0."""
    outcomes = {verdict.verdict for verdict in verdicts}
    if "refuted" in outcomes:
        return EXIT_REFUTED
    return EXIT_NOTHING_REFUTED if outcomes == {"held"} else EXIT_INCONCLUSIVE
