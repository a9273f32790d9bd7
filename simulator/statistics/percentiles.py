"""Percentiles: of one replication's values, and over replications with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evidence import Estimate
from simulator.statistics.intervals import FloatArray, across

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
TAIL_QUANTILES = {**QUANTILES, "p999": 0.999}

# Below ten values beyond it a sample quantile is little more than the sample's maximum: biased
# towards the middle, and its interval no longer covers (docs/statistics.md has the measurement).
OBSERVATIONS_BEYOND = 10


def summarise(
    values: Sequence[float] | FloatArray, quantiles: Mapping[str, float] = QUANTILES
) -> dict[str, float]:
    """Mean and ``quantiles`` of one replication's values; NaN when there are none."""
    data = np.asarray(values, dtype=float)
    if not data.size:
        return dict.fromkeys(("mean", *quantiles), math.nan)
    found = np.quantile(data, list(quantiles.values()))
    return {"mean": float(data.mean()), **dict(zip(quantiles, map(float, found), strict=True))}


def observations_needed(quantile: float) -> int:
    """The least number n of values whose ``quantile`` may be estimated: n·(1 − quantile) ≥ 10.

    200 for p95, 1,000 for p99, 10,000 for p99.9.

    Raises:
        ValueError: when ``quantile`` is not between 0 and 1.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"a quantile lies between 0 and 1, got {quantile}")
    return math.ceil(round(OBSERVATIONS_BEYOND / (1 - quantile), 6))


@dataclass(frozen=True)
class Percentile:
    """A quantile over replications: each replication's own, then a t-interval of their mean.

    Attributes:
        quantile: Between 0 and 1.
        estimate: Its ``n`` counts replications; None when it was refused (:attr:`note` says why).
        replications: How many were given.
        too_few: How many of them had fewer than ``needed`` values.
        needed: Values a replication needs.
    """

    quantile: float
    estimate: Estimate | None
    replications: int
    too_few: int
    needed: int

    @property
    def note(self) -> str:
        """Why the estimate is missing or not to be relied on; empty when nothing is wrong."""
        if not self.too_few:
            return "" if self.estimate is not None else "fewer than two replications"
        return (
            f"p{self.quantile * 100:g}: {self.too_few} of {self.replications} replications have "
            f"fewer than the {self.needed} values it needs (n·(1 − q) ≥ {OBSERVATIONS_BEYOND}); "
            "make each replication longer"
        )


def percentile(
    samples: Sequence[Sequence[float] | FloatArray], quantile: float, *, confidence: float = 0.95,
    refuse: bool = True,
) -> Percentile:  # fmt: skip
    """The ``quantile`` of what the replications saw, from the values of each.

    More replications narrow the interval and leave the bias of a short replication's quantile as it
    is. So a quantile that any replication is too short for is refused; to drop those replications
    would select by load.

    Args:
        samples: The values of each replication.
        quantile: Between 0 and 1.
        confidence: Of the interval.
        refuse: False to estimate all the same and leave the warning to :attr:`Percentile.note`.
            Replications without any value are then left out.
    """
    needed = observations_needed(quantile)
    too_few = sum(len(values) < needed for values in samples)
    estimate = None
    if not (refuse and too_few):
        found = [float(np.quantile(values, quantile)) for values in samples if len(values)]
        estimate = across(found, confidence)
    return Percentile(quantile, estimate, len(samples), too_few, needed)
