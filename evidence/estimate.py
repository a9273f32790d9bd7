"""An estimate with its interval, and the ways intervals are made from data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

FloatArray = npt.NDArray[np.float64]


class Estimate(BaseModel):
    """A figure, its interval, the interval's confidence and the number of observations behind it.

    ``lower`` and ``upper`` may be infinite when the data do not bound them. What ``n`` counts
    (requests, trials, replications) is said where the estimate is made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    estimate: float
    lower: float
    upper: float
    confidence: float
    n: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lower <= self.estimate <= self.upper:
            raise ValueError(f"lower ≤ estimate ≤ upper is required: {self}")
        return self

    def covers(self, value: float) -> bool:
        """Whether ``value`` lies in the interval."""
        return self.lower <= value <= self.upper


def mean_interval(values: Sequence[float] | FloatArray, confidence: float = 0.95) -> Estimate:
    """Student t-interval of the mean of independent values (replications or batches).

    Raises:
        ValueError: with fewer than two values: one says nothing about spread.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - slow, and most commands never need it

    data = np.asarray(values, dtype=float)
    n = len(data)
    if n < 2:  # noqa: PLR2004
        raise ValueError(f"a t-interval needs at least two values, got {n}")
    mean = float(data.mean())
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * data.std(ddof=1) / math.sqrt(n))
    return Estimate(estimate=mean, lower=mean - half, upper=mean + half, confidence=confidence, n=n)


def batch_quantile(
    times: FloatArray, values: FloatArray, quantile: float, *, batches: int = 10,
    confidence: float = 0.95,
) -> Estimate:  # fmt: skip
    """A quantile of one run's requests, with an interval that respects their correlation.

    Requests that follow each other see the same queues, so they are not independent. The run is cut
    into ``batches`` spans of equal duration; the quantiles of the spans give a t-interval
    (batch means, Law, Simulation Modeling and Analysis, 5th ed., 9.5.3). ``n`` counts requests.

    Args:
        times: Intended start of each request, seconds.
        values: The measured value of each request.
        quantile: Between 0 and 1.
        batches: Number of spans; spans without requests are left out.
        confidence: Of the interval.

    Raises:
        ValueError: when fewer than two spans hold requests.
    """
    edges = np.linspace(times.min(), np.nextafter(times.max(), math.inf), batches + 1)
    index = np.digitize(times, edges) - 1
    parts = [values[index == batch] for batch in range(batches)]
    quantiles = [float(np.quantile(part, quantile)) for part in parts if len(part)]
    interval = mean_interval(quantiles, confidence)
    overall = float(np.quantile(values, quantile))
    return Estimate(
        estimate=overall,
        lower=max(min(interval.lower, overall), 0.0),
        upper=max(interval.upper, overall),
        confidence=confidence,
        n=len(values),
    )


def sample_interval(values: Sequence[float] | FloatArray, confidence: float = 0.95) -> Estimate:
    """Median of a sample and the central interval that holds ``confidence`` of it.

    This is a *prediction* interval: where one further observation is expected.
    """
    data = np.asarray(values, dtype=float)
    tail = (1 - confidence) / 2
    lower, median, upper = (float(x) for x in np.quantile(data, [tail, 0.5, 1 - tail]))
    return Estimate(estimate=median, lower=lower, upper=upper, confidence=confidence, n=len(data))


def trials_needed(proportion: float = 0.95, confidence: float = 0.95) -> int:
    """Straight passes after which at least ``proportion`` of all trials pass, at ``confidence``.

    The smallest n with proportion**n ≤ 1 − confidence: 59 for 95 % and 95 %.
    """
    return math.ceil(math.log(1 - confidence) / math.log(proportion))
