"""Arrival processes: the gaps between arrivals, seconds, without end unless they say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from architecture.values import Distribution, Exponential
from simulator.streams import BLOCK, sample


def renewal(gap_s: Distribution, generator: np.random.Generator) -> Iterator[float]:
    """Independent gaps of one distribution."""
    while True:
        yield from sample(gap_s, generator, BLOCK).tolist()


def poisson(rate_per_s: float, generator: np.random.Generator) -> Iterator[float]:
    """A Poisson process of constant rate."""
    return renewal(Exponential(kind="exponential", mean=1 / rate_per_s), generator)


def profile(
    rates_per_s: Sequence[float], step_s: float, generator: np.random.Generator
) -> Iterator[float]:
    """A Poisson process whose rate changes every ``step_s`` and repeats after the last.

    By thinning: arrivals at the highest rate are kept with the probability rate / highest rate
    (Lewis & Shedler 1979). Those that are not kept never become events.

    Raises:
        ValueError: when no rate is positive.
    """
    rates = np.asarray(rates_per_s, dtype=float)
    highest = float(rates.max(initial=0.0))
    if highest <= 0.0:
        raise ValueError("a profile needs a positive rate")
    start_s = last_s = 0.0
    while True:
        times_s = start_s + np.cumsum(generator.exponential(1 / highest, BLOCK))
        keep = generator.random(BLOCK) * highest
        start_s = float(times_s[-1])
        now = rates[(times_s // step_s).astype(np.int64) % len(rates)]
        for time_s in times_s[keep < now].tolist():
            yield time_s - last_s
            last_s = time_s


def trace(times_s: Sequence[float]) -> Iterator[float]:
    """Arrivals at recorded times, which must not decrease; ends with the last."""
    return iter(np.diff(np.asarray(times_s, dtype=float), prepend=0.0).tolist())
