"""Closed networks of one class: product form (Gordon & Newell 1967)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClosedStation:
    """A station of a closed network.

    Attributes:
        demand_s: Visits in a round times mean service, positive; exponential service where there is
            a queue, any distribution for processor sharing and for a delay.
        servers: How many like servers; None for a delay, where nobody waits.
    """

    demand_s: float
    servers: int | None = 1


@dataclass(frozen=True)
class ClosedAnswer:
    """Rounds a second, seconds of a round at each station, and customers there (mean)."""

    throughput_per_s: float
    sojourn_s: dict[str, float]
    in_station: dict[str, float]

    @property
    def latency_s(self) -> float:
        """Seconds of a round outside its think time."""
        return sum(self.sojourn_s.values())


def closed_network(
    stations: Mapping[str, ClosedStation], population: int, think_s: float = 0.0
) -> ClosedAnswer:
    """The steady state of ``population`` customers, each of whom thinks between rounds.

    What mean value analysis gives (Reiser & Lavenberg 1980), by convolution (Buzen 1973): with the
    factors f_j(n) = Π_{k≤n} demand_j/min(k, servers_j) and their convolution G, the throughput is
    G(N − 1)/G(N) and n customers are at j with the share f_j(n)·G_{−j}(N − n)/G(N). The sums are of
    positive terms, in logarithms; MVA's recursion for several servers loses its digits near
    saturation.

    Raises:
        ValueError: for a population under 1, or demands that are not positive.
    """
    if population < 1 or any(station.demand_s <= 0 for station in stations.values()):
        raise ValueError("population ≥ 1 and positive demands are required")
    factors = {name: _log_factors(station, population) for name, station in stations.items()}
    think = [_log_factors(ClosedStation(think_s, None), population)] if think_s > 0 else []
    whole = _convolved([*factors.values(), *think], population)
    throughput = float(np.exp(whole[population - 1] - whole[population]))
    in_station = {}
    for name in stations:
        others = [factor for other, factor in factors.items() if other != name]
        rest = _convolved([*others, *think], population)
        shares = np.exp(factors[name] + rest[::-1] - whole[population])
        in_station[name] = float(shares @ np.arange(population + 1))
    sojourns_s = {name: number / throughput for name, number in in_station.items()}
    return ClosedAnswer(throughput, sojourns_s, in_station)


def _log_factors(station: ClosedStation, population: int) -> FloatArray:
    number = np.arange(1, population + 1)
    at_once = number if station.servers is None else np.minimum(number, station.servers)
    return np.concatenate([[0.0], np.cumsum(np.log(station.demand_s / at_once))])


def _convolved(factors: Sequence[FloatArray], population: int) -> FloatArray:
    """Logarithms of the convolution of factors that are given by their logarithms."""
    result = np.full(population + 1, -np.inf)
    result[0] = 0.0
    for factor in factors:
        result = np.array(
            [logsumexp(result[: n + 1] + factor[n::-1]) for n in range(population + 1)]
        )
    return result
