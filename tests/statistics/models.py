"""Models with uncertain inputs whose sensitivity is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import integrate, stats

from architecture.values import Range
from simulator.streams import Streams

FloatArray = npt.NDArray[np.float64]

ARRIVALS = Range(low=0.3, typical=0.5, high=0.7, source="set by the test")
SERVICES = Range(low=0.9, typical=1.0, high=1.2, source="set by the test")
UNUSED = Range(low=0.0, typical=1.0, high=2.0, source="set by the test")
KNOWN = Range(low=1.0, typical=1.0, high=1.0, source="set by the test")


@dataclass(frozen=True)
class UncertainQueue:
    """M/M/1 with uncertain rates: mean sojourn time in closed form, or of simulated customers.

    ``noise`` is the standard deviation of what chance adds to the closed form.
    """

    noise: float = 0.0

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        return self.observe(Streams(seed, replication))

    def observe(self, streams: Streams) -> dict[str, float]:
        streams.within("unused", UNUSED)
        known = streams.within("known", KNOWN)
        arrivals = streams.within("arrivals", ARRIVALS)
        services = streams.within("services", SERVICES)
        chance = streams.generator("chance").normal()
        return {
            "sojourn": known / (services - arrivals) + self.noise * chance,
            "never": math.nan,
            "constant": 3.0,
        }


def ishigami(shares: FloatArray) -> FloatArray:
    """sin x₁ + 7 sin² x₂ + 0.1 x₃⁴ sin x₁ of inputs uniform on [−π, π] (Ishigami & Homma 1990)."""
    one, two, three = (2 * shares.T - 1) * math.pi
    return np.asarray(np.sin(one) * (1 + 0.1 * three**4) + 7 * np.sin(two) ** 2)


def ishigami_indices() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """First-order and total indices of :func:`ishigami`, from its exact variances."""
    a, b = 7.0, 0.1
    first = (0.5 * (1 + b * math.pi**4 / 5) ** 2, a * a / 8, 0.0)
    third_with_first = 8 * b * b * math.pi**8 / 225
    total = sum(first) + third_with_first
    return (
        tuple(part / total for part in first),
        tuple(part / total for part in (first[0] + third_with_first, first[1], third_with_first)),
    )


def queue_variances() -> tuple[float, float, float]:
    """Exact Var W, Var E[W | arrivals], Var E[W | services] of :class:`UncertainQueue`.

    By quadrature over the triangular densities, split at their modes.
    """

    def density(figure: Range) -> Callable[[float], float]:
        width = figure.high - figure.low
        shape = (figure.typical - figure.low) / width
        frozen = stats.triang(shape, figure.low, width)
        return lambda value: float(frozen.pdf(value))

    def mean_over(figure: Range, function: Callable[[float], float]) -> float:
        weight = density(figure)
        parts = ((figure.low, figure.typical), (figure.typical, figure.high))
        return sum(
            integrate.quad(lambda value: function(value) * weight(value), *part)[0]
            for part in parts
        )

    def given_arrivals(arrivals: float, power: int) -> float:
        return mean_over(SERVICES, lambda services: (services - arrivals) ** -power)

    def given_services(services: float) -> float:
        return mean_over(ARRIVALS, lambda arrivals: 1 / (services - arrivals))

    mean = mean_over(ARRIVALS, lambda arrivals: given_arrivals(arrivals, 1))
    square = mean_over(ARRIVALS, lambda arrivals: given_arrivals(arrivals, 2))
    by_arrivals = mean_over(ARRIVALS, lambda arrivals: given_arrivals(arrivals, 1) ** 2)
    by_services = mean_over(SERVICES, lambda services: given_services(services) ** 2)
    return square - mean**2, by_arrivals - mean**2, by_services - mean**2
