"""How much of a run from an empty system is not yet the steady state: MSER-5.

MSER (White 1997; White, Cobb & Spratt 2000) drops the first d observations for the d that makes the
standard error of the mean of the others least. MSER-5 does so on means of five. The choice is
made once, on the mean over replications: made run by run it follows each run's noise, and the
intervals cover too seldom (docs/statistics.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.statistics.intervals import FloatArray

BATCH = 5
# A truncation that leaves less than half is taken as a sign that the run is too short (White 1997).
SEARCHED_SHARE = 0.5
LEAST_BATCHES = 4


@dataclass(frozen=True)
class WarmUp:
    """Where the steady state begins.

    Attributes:
        points: How many points at the beginning are dropped.
        settled: False when the minimum lies at the end of what was searched: the run is too short
            for its transient, and whatever is estimated from it is biased.
    """

    points: int
    settled: bool


@dataclass(frozen=True)
class SteadyState:
    """A mean in the steady state; ``n`` counts replications."""

    estimate: Estimate
    warm_up: WarmUp


def mser(series: FloatArray, batch: int = BATCH) -> WarmUp:
    """MSER of one series of equally spaced points (or of customers in order).

    Raises:
        ValueError: for a series that is not one-dimensional, holds NaN or infinity, or has fewer
            than four batches.
    """
    if series.ndim != 1 or not np.all(np.isfinite(series)):
        raise ValueError("MSER needs one series of finite numbers")
    batches = len(series) // batch
    if batch < 1 or batches < LEAST_BATCHES:
        raise ValueError(
            f"MSER-{batch} needs at least {LEAST_BATCHES * max(batch, 1)} points, got {len(series)}"
        )
    means = series[: batches * batch].reshape(batches, batch).mean(axis=1)
    # Deviations from the whole mean keep the sums of squares free of cancellation.
    centred = means - means.mean()
    left = np.arange(batches, 0, -1, dtype=float)
    sums = np.cumsum(centred[::-1])[::-1]
    squares = np.cumsum((centred * centred)[::-1])[::-1]
    # Rounding leaves a constant tail a hair above or below zero: below it counts as zero.
    spread = np.maximum(squares - sums * sums / left, 1e-12 * squares[0])
    searched = int(batches * SEARCHED_SHARE) + 1
    best = int(np.argmin((spread / (left * left))[:searched]))
    return WarmUp(points=best * batch, settled=best < searched - 1)


def warm_up(runs: FloatArray, batch: int = BATCH) -> WarmUp:
    """MSER on the mean over replications.

    Args:
        runs: Shape (replications, points); point i is the same time, or the same customer, in all
            of them. NaN where a replication observed nothing; a point that no replication observed
            is an error, so points must be wide enough.
        batch: Points a batch.

    Raises:
        ValueError: for another shape, unobserved points, or fewer than four batches.
    """
    if runs.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"(replications, points) is required, got shape {runs.shape}")
    seen = ~np.isnan(runs)
    counts = seen.sum(axis=0)
    if not counts.all():
        raise ValueError(f"{int((counts == 0).sum())} points were observed by no replication")
    return mser(np.where(seen, runs, 0.0).sum(axis=0) / counts, batch)


def steady_state(
    runs: FloatArray, *, confidence: float = 0.95, batch: int = BATCH
) -> SteadyState:  # fmt: skip
    """Mean in the steady state from replications that start empty.

    One truncation for all (:func:`warm_up`), then a t-interval of the replications' means after it.

    Raises:
        ValueError: as :func:`warm_up`; when fewer than two replications observed anything
            afterwards.
    """
    found = warm_up(runs, batch)
    kept = runs[:, found.points :]
    seen = ~np.isnan(kept)
    counts = seen.sum(axis=1)
    sums = np.where(seen, kept, 0.0).sum(axis=1)
    means = sums[counts > 0] / counts[counts > 0]
    return SteadyState(mean_interval(means, confidence), found)
