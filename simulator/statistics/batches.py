"""Batch means: an interval from one long run in the steady state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.statistics.intervals import FloatArray

BATCHES = 20
LEAST_BATCHES = 5
CORRELATION_LEVEL = 0.05


@dataclass(frozen=True)
class BatchMeans:
    """A mean from one run.

    Attributes:
        estimate: Of the mean; ``n`` counts batches.
        batch_size: Values a batch; up to ``batches − 1`` values at the beginning are left over.
        independent: False when the batch means still follow each other (von Neumann's test at 5 %,
            one-sided): the batches are too short and the interval too narrow.
    """

    estimate: Estimate
    batch_size: int
    independent: bool


def batch_means(
    values: Sequence[float] | FloatArray, *, batches: int = BATCHES, confidence: float = 0.95
) -> BatchMeans:
    """A t-interval from the means of consecutive batches (Law, 5th ed., 9.5.3).

    The values must be those of the steady state (see :func:`simulator.statistics.mser`), in order.
    Ten to thirty batches serve; more make them dependent (Schmeiser 1982).

    Raises:
        ValueError: with fewer than five batches or fewer than two values for each.
    """
    data = np.asarray(values, dtype=float)
    size = len(data) // batches if batches else 0
    if batches < LEAST_BATCHES or size < 2:  # noqa: PLR2004
        raise ValueError(
            f"at least {LEAST_BATCHES} batches of two values each are needed, "
            f"got {batches} batches for {len(data)} values"
        )
    means = data[len(data) - size * batches :].reshape(batches, size).mean(axis=1)
    return BatchMeans(mean_interval(means, confidence), size, _independent(means))


def _independent(means: FloatArray) -> bool:
    """Von Neumann's ratio: normal with variance (b − 2)/(b² − 1) for b independent means.

    It is the lag-1 autocorrelation corrected for its ends (Alexopoulos & Seila, in Banks, Handbook
    of Simulation, 1998, 7.3.2).
    """
    deviations = means - means.mean()
    total = float(deviations @ deviations)
    if total == 0.0:
        return True
    count = len(means)
    ends = float(deviations[0] ** 2 + deviations[-1] ** 2)
    ratio = float(deviations[:-1] @ deviations[1:]) / total + ends / (2 * total)
    error = math.sqrt((count - 2) / (count**2 - 1))
    return ratio / error <= float(special.ndtri(1 - CORRELATION_LEVEL))
