"""Comparing designs that met the same chance: paired differences (common random numbers)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.statistics.intervals import LEAST_REPLICATIONS, estimate_document

Direction = Literal["more", "less", "undecided"]


@dataclass(frozen=True)
class PairedDifference:
    """How much more the second has of a metric than the first.

    Attributes:
        first: Mean of the first over the pairs, with its own interval.
        second: Of the second.
        difference: Second − first, from the differences pair by pair; ``n`` counts pairs.
        correlation: Between the two over the pairs; what common random numbers brought about. NaN
            when one of them does not vary.
        saving: How many times more replications two independent samples would need for the same
            interval: (s₁² + s₂²) / s²(difference). Infinite when the difference never varies.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    correlation: float
    saving: float

    @property
    def direction(self) -> Direction:
        """``more`` or ``less`` when the whole interval of the difference lies on one side of 0."""
        if self.difference.lower > 0:
            return "more"
        return "less" if self.difference.upper < 0 else "undecided"

    @property
    def relative(self) -> float:
        """Difference as a share of the first's mean; NaN when that is 0."""
        mean = self.first.estimate
        return self.difference.estimate / mean if mean else math.nan

    def document(self) -> dict[str, Any]:
        """As JSON; NaN becomes null."""
        return {
            "first": estimate_document(self.first),
            "second": estimate_document(self.second),
            "difference": estimate_document(self.difference),
            "relative": _finite(self.relative),
            "direction": self.direction,
            "correlation": _finite(self.correlation),
            "saving": _finite(self.saving),
        }


def paired(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> PairedDifference | None:
    """Second − first from replications that shared their random numbers, pair by pair.

    A pair in which one has no finite value is left out. None when fewer than two pairs remain.

    Raises:
        ValueError: when the two have not the same number of replications.
    """
    if len(first) != len(second):
        raise ValueError(f"pairs are required, got {len(first)} and {len(second)} replications")
    pairs = np.column_stack([first, second]).astype(float)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < LEAST_REPLICATIONS:
        return None
    one, two = pairs[:, 0], pairs[:, 1]
    difference = two - one
    variances = float(one.var(ddof=1)), float(two.var(ddof=1))
    of_difference = float(difference.var(ddof=1))
    varied = min(variances) > 0
    return PairedDifference(
        first=mean_interval(one, confidence),
        second=mean_interval(two, confidence),
        difference=mean_interval(difference, confidence),
        correlation=float(np.corrcoef(one, two)[0, 1]) if varied else math.nan,
        saving=sum(variances) / of_difference if of_difference > 0 else math.inf,
    )


def against_base(
    base: Sequence[float], others: Mapping[str, Sequence[float]], confidence: float = 0.95
) -> dict[str, PairedDifference | None]:
    """Several designs against one, so that all intervals hold together (Bonferroni).

    Each of k differences gets the confidence 1 − (1 − ``confidence``)/k; the probability that all
    of them cover is then at least ``confidence`` (Law, 10.3.1).

    Raises:
        ValueError: when the numbers of replications differ.
    """
    each = 1 - (1 - confidence) / max(len(others), 1)
    return {name: paired(base, values, each) for name, values in others.items()}


def _finite(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
