"""What is said about replications: quantiles, intervals, and how many are enough."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

from evidence import Estimate
from evidence.estimate import mean_interval

FloatArray = npt.NDArray[np.float64]
Result = TypeVar("Result")

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
LEAST_REPLICATIONS = 2


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Mean and :data:`QUANTILES` of one replication's values; NaN when there are none."""
    if not values:
        return dict.fromkeys(("mean", *QUANTILES), math.nan)
    data = np.asarray(values)
    found = np.quantile(data, list(QUANTILES.values()))
    return {"mean": float(data.mean()), **dict(zip(QUANTILES, map(float, found), strict=True))}


def across(values: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """Student t-interval over replications; ``n`` counts the replications that had a value.

    None when fewer than two had one.
    """
    known = [value for value in values if not math.isnan(value)]
    return mean_interval(known, confidence) if len(known) >= LEAST_REPLICATIONS else None


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
    quantile = stats.t.ppf((1 + confidence) / 2, n - 1)
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


def replicate(
    run: Callable[[int], Result],
    *,
    at_least: int,
    at_most: int,
    enough: Callable[[Sequence[Result]], bool],
) -> list[Result]:
    """Run replications 0, 1, 2 … until ``enough`` of them say so, or ``at_most`` are made.

    Stopping when an interval looks narrow makes its coverage slightly too small; ``at_least`` of
    ten or more keeps that small (Law, Simulation Modeling and Analysis, 5th ed., 9.4.1).

    Raises:
        ValueError: when ``at_least`` is under two or above ``at_most``.
    """
    if not LEAST_REPLICATIONS <= at_least <= at_most:
        raise ValueError(
            f"2 ≤ at_least ≤ at_most is required, got at_least {at_least}, at_most {at_most}"
        )
    results: list[Result] = []
    while len(results) < at_most:
        results.append(run(len(results)))
        if len(results) >= at_least and enough(results):
            break
    return results
