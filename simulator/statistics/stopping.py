"""How many replications are enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evidence import Estimate
from simulator.statistics.intervals import LEAST_REPLICATIONS, across

Result = TypeVar("Result")


@dataclass(frozen=True)
class Precision:
    """When to stop: each of ``metrics`` is known to within a share of its mean.

    Stopping when an interval looks narrow favours samples that happen to vary little, so it covers
    a little less often than it says (measured in docs/statistics.md). Two things keep that small:
    ``at_least`` replications before the first look, and few looks (rounds grow by what the spread
    seen so far asks for, see :meth:`next_total`).

    Attributes:
        relative: Largest error as a share of the true mean, between 0 and 1.
        metrics: Names of the metrics that must be precise.
        at_least: Replications before the first look.
        at_most: Replications after which it is given up.
        confidence: Of the intervals.
    """

    relative: float
    metrics: tuple[str, ...]
    at_least: int = 10
    at_most: int = 1000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not (0 < self.relative < 1 and 0 < self.confidence < 1):
            raise ValueError("relative and confidence must lie between 0 and 1")
        _check_numbers(self.at_least, self.at_most)

    @property
    def half_width(self) -> float:
        """Largest half-width as a share of the *estimated* mean: γ/(1 + γ) for ``relative`` γ.

        An estimate within that share of itself is within γ of the true mean (Law, 9.4.1).
        """
        return self.relative / (1 + self.relative)

    def met_by(self, values: Sequence[float]) -> bool:
        """Whether the interval of one metric's replications is narrow enough."""
        estimate = across(values, self.confidence)
        return estimate is not None and self._excess(estimate) <= 1.0

    def next_total(self, values: Sequence[Sequence[float]]) -> int | None:
        """How many replications to have made before the next look; None to stop.

        A half-width shrinks with √n, so n·(half-width / allowed)² are asked for, between a quarter
        more and twice as many: a spread seen in few replications is uncertain itself. The number
        depends on the values only, never on how many processes computed them.

        Args:
            values: The replications of each of the metrics.
        """
        made = max(map(len, values), default=0)
        if made < self.at_least:
            return self.at_least
        estimates = [across(seen, self.confidence) for seen in values]
        excesses = [self._excess(found) if found is not None else math.inf for found in estimates]
        worst = max(excesses, default=0.0)
        if worst <= 1.0 or made >= self.at_most:
            return None
        wanted = made * min(worst, 2.0) ** 2
        total = min(max(math.ceil(wanted), made + math.ceil(made / 4)), 2 * made)
        return min(total, self.at_most)

    def _excess(self, estimate: Estimate) -> float:
        """Half-width over the allowed one; a mean of 0 without spread is precise."""
        if math.isinf(estimate.estimate):
            return 0.0  # more replications will not make it finite
        half = (estimate.upper - estimate.lower) / 2
        allowed = self.half_width * abs(estimate.estimate)
        if half == 0.0:
            return 0.0
        return half / allowed if allowed > 0 else math.inf


def replicate(
    run: Callable[[int], Result],
    *,
    at_least: int,
    at_most: int,
    enough: Callable[[Sequence[Result]], bool],
) -> list[Result]:
    """Run replications 0, 1, 2 … one by one until ``enough`` say so, or ``at_most`` are made.

    In one process; :func:`simulator.replications.replicate` uses all cores. Stopping when an
    interval looks narrow makes its coverage slightly too small; ``at_least`` of ten or more keeps
    that small (Law, Simulation Modeling and Analysis, 5th ed., 9.4.1).

    Raises:
        ValueError: when ``at_least`` is under two or above ``at_most``.
    """
    _check_numbers(at_least, at_most)
    results: list[Result] = []
    while len(results) < at_most:
        results.append(run(len(results)))
        if len(results) >= at_least and enough(results):
            break
    return results


def _check_numbers(at_least: int, at_most: int) -> None:
    if not LEAST_REPLICATIONS <= at_least <= at_most:
        raise ValueError(
            f"2 ≤ at_least ≤ at_most is required, got at_least {at_least}, at_most {at_most}"
        )
