"""The uptime of one further year, for what is uncertain about a design's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from architecture.design import Design
from evidence import Estimate
from evidence.estimate import mean_interval, sample_interval
from evidence.verdict import Bound, Outcome, judge_interval
from simulator.availability.exact import ExactModel
from simulator.availability.rates import YEAR_H
from simulator.availability.uptime import UptimeModel
from simulator.statistics import estimate_document

FloatArray = npt.NDArray[np.float64]
DRAWS = 100
YEARS_A_DRAW = 20


@dataclass(frozen=True)
class YearAhead:
    """What to expect of a year's uptime (time-based, planned work included).

    Attributes:
        one_year: Median and central 95 % of simulated years: where one further year is expected.
            It holds chance and ignorance of the figures; ``n`` counts years.
        long_run: Median and central 95 % of the long-run uptime over draws of the figures, without
            chance; ``n`` counts draws.
        miss: Probability that a year misses the target; a t-interval over draws.
        target: Promised share.
        verdict: What the model by itself says about the target, from ``long_run``.
        reason: Why.
    """

    one_year: Estimate
    long_run: Estimate
    miss: Estimate
    target: float
    verdict: Outcome
    reason: str

    def document(self) -> dict[str, Any]:
        """As a prediction run records it."""
        return {
            "measure": "time_based",
            "interval": "95 % of single years, the figures drawn anew for each series of years",
            "one_year": estimate_document(self.one_year),
            "long_run": estimate_document(self.long_run),
            "target": self.target,
            "probability_to_miss": estimate_document(self.miss),
            "verdict": {"predicted": self.verdict, "reason": self.reason},
        }


def year_ahead(
    design: Design, target: float, *, seed: int = 1, draws: int = DRAWS,
    years: int = YEARS_A_DRAW,
) -> YearAhead:  # fmt: skip
    """Draw the figures ``draws`` times; each draw is lived for ``years``, and solved.

    Raises:
        ValueError: with fewer than two draws or less than a year.
    """
    if draws < 2 or years < 1:  # noqa: PLR2004
        raise ValueError(f"2 ≤ draws and 1 ≤ years are required, got {draws} and {years}")
    model = UptimeModel(design)
    lived = [
        model.replication(number, years=years, seed=seed, inputs="drawn").yearly_h
        for number in range(draws)
    ]
    # Draw n of the chain has the figures of replication n: both come from the same streams.
    solved_h = ExactModel(model).draws(("time_based",), seed=seed, draws=draws)["time_based"]
    long_run = up_share(sample_interval(solved_h))
    verdict, reason = judge_long_run(long_run, target)
    return YearAhead(
        one_year=up_share(sample_interval(np.concatenate(lived))),
        long_run=long_run,
        miss=probability_to_miss(lived, target),
        target=target,
        verdict=verdict,
        reason=reason,
    )


def judge_long_run(possible: Estimate, target: float) -> tuple[Outcome, str]:
    """What the model by itself says: by the long-run uptime over draws of uncertain figures."""
    verdict, reason = judge_interval(possible, Bound(at_least=target))
    return verdict, f"{reason} (over uncertain figures)"


def probability_to_miss(yearly_h: Sequence[FloatArray], target: float) -> Estimate:
    """Share of years below the target: a t-interval over replications, kept within [0, 1].

    Args:
        yearly_h: Hours of downtime of each year, an array a replication.
        target: Promised share of uptime.
    """
    budget_h = (1 - target) * YEAR_H
    found = mean_interval([float(np.mean(hours > budget_h)) for hours in yearly_h])
    update = {"lower": max(found.lower, 0.0), "upper": min(found.upper, 1.0)}
    return found.model_copy(update=update)


def up_share(lost_h: Estimate) -> Estimate:
    """Hours lost a year as a share of uptime, kept within [0, 1]."""
    ends = (lost_h.upper, lost_h.estimate, lost_h.lower)
    lower, middle, upper = (min(max(1 - hours / YEAR_H, 0.0), 1.0) for hours in ends)
    return lost_h.model_copy(update={"lower": lower, "estimate": middle, "upper": upper})
