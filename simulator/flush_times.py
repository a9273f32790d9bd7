"""How long one flush of a database's log takes: the mean as a range, and the spread about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from architecture.values import Lognormal, Range, Strict
from evidence.verdict import NoVerdictError

#: A mean of so many flushes is one view of how fast the disk is; the views are the range.
FLUSHES_A_VIEW: Final = 30
LEAST_VIEWS: Final = 3
LEAST_SPREAD: Final = 0.01


class FlushTimesError(NoVerdictError):
    """Measured flushes that say nothing of a disk."""


class FlushTimes(Strict):
    """``mean_s``: of one flush. ``spread``: a single flush as a multiple of the mean."""

    mean_s: Range
    spread: Lognormal


def fit_flush_times(seconds: Sequence[float]) -> FlushTimes:
    """Flush times from measured flushes, in the order in which they were made.

    Disks that others use are fast and slow by turns, so the range goes from the fastest to the
    slowest half second or so, rather than being an interval of one mean.

    Raises:
        FlushTimesError: when there are too few, or some are not positive numbers.
    """
    measured = np.asarray(seconds, dtype=float)
    least = FLUSHES_A_VIEW * LEAST_VIEWS
    if len(measured) < least:
        raise FlushTimesError(f"{len(measured)} flushes; at least {least} are needed")
    if not np.all(np.isfinite(measured)) or np.any(measured <= 0):
        raise FlushTimesError("flushes must take positive numbers of seconds")
    views = np.array_split(measured, len(measured) // FLUSHES_A_VIEW)
    means = [float(view.mean()) for view in views]
    mean_s = float(measured.mean())
    return FlushTimes(
        mean_s=Range(
            low=min(means), typical=mean_s, high=max(means),
            source=f"{len(measured)} flushes of this disk; the range of {len(means)} means of them",
        ),
        spread=Lognormal(
            kind="lognormal", mean=1.0, cv=max(float(measured.std(ddof=1)) / mean_s, LEAST_SPREAD)
        ),
    )  # fmt: skip
