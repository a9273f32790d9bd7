"""Intervals over replications: of a mean, of one further replication, of trials."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from evidence import Estimate
from evidence.estimate import mean_interval

FloatArray = npt.NDArray[np.float64]

LEAST_REPLICATIONS = 2


def across(values: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """Student t-interval over replications; ``n`` counts the replications that had a value.

    A replication that saw infinity (an outage without end) proves the mean infinite, and so is
    every bound of it. None when fewer than two replications had a value.
    """
    known = [value for value in values if not math.isnan(value)]
    if len(known) < LEAST_REPLICATIONS:
        return None
    if any(map(math.isinf, known)):
        mean = sum(known)
        return None if math.isnan(mean) else _point(mean, confidence, len(known))
    return mean_interval(known, confidence)


def one_more(values: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """Where one further replication's value is expected: a prediction interval.

    mean ± t(n−1)·s·√(1 + 1/n), taken of the logarithms because times are positive and skewed to
    the right (Hahn & Meeker, Statistical Intervals, 4.7). Values must be positive. None when fewer
    than two are known.
    """
    known = [value for value in values if not math.isnan(value)]
    n = len(known)
    if n < LEAST_REPLICATIONS:
        return None
    logs = np.log(known)
    mean = float(logs.mean())
    quantile = stdtrit(n - 1, (1 + confidence) / 2)
    half = float(quantile * logs.std(ddof=1) * math.sqrt(1 + 1 / n))
    return Estimate(
        estimate=math.exp(mean),
        lower=math.exp(mean - half),
        upper=math.exp(mean + half),
        confidence=confidence,
        n=n,
    )


def central(values: Sequence[float] | FloatArray, confidence: float = 0.95) -> Estimate:
    """Median of trials and the central interval that holds ``confidence`` of them.

    Unlike :func:`evidence.estimate.sample_interval` it takes observed values only, never a point
    between two, so that outages without end (infinite) keep their meaning.
    """
    data = np.asarray(values, dtype=float)
    tail = (1 - confidence) / 2
    lower, median, upper = np.quantile(data, [tail, 0.5, 1 - tail], method="inverted_cdf")
    return Estimate(
        estimate=float(median), lower=float(lower), upper=float(upper), confidence=confidence,
        n=len(data),
    )  # fmt: skip


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON in which infinite values are strings, as its reader expects them."""
    document: dict[str, Any] = json.loads(estimate.model_dump_json())
    return document


def _point(value: float, confidence: float, n: int) -> Estimate:
    return Estimate(estimate=value, lower=value, upper=value, confidence=confidence, n=n)
