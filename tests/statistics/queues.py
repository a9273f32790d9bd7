"""M/M/1 from an empty start, many replications at once, for tests of what is said about them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def sojourns(
    random: np.random.Generator, replications: int, customers: int, utilisation: float
) -> FloatArray:
    """Sojourn times of successive customers, shape (replications, customers); mean service 1.

    Lindley's recursion as a running minimum of the random walk service − gap.
    """
    service = random.standard_exponential((replications, customers))
    gaps = random.standard_exponential((replications, customers)) / utilisation
    steps = np.zeros_like(service)
    steps[:, 1:] = service[:, :-1] - gaps[:, 1:]
    walk = np.cumsum(steps, axis=1)
    return np.asarray(walk - np.minimum.accumulate(walk, axis=1) + service)


def mean_sojourn(utilisation: float) -> float:
    """Of the steady state, in mean service times."""
    return 1 / (1 - utilisation)
