"""Open networks of M/M/c stations (Jackson 1957): each behaves as if it stood alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.theory.markov import mmc
from simulator.theory.queue import QueueAnswer


@dataclass(frozen=True)
class OpenStation:
    """Servers with exponential service; ``arrivals_per_s`` come from outside."""

    service_s: float
    servers: int = 1
    arrivals_per_s: float = 0.0


@dataclass(frozen=True)
class OpenAnswer:
    """Each station's steady state, and the mean time from entering to leaving the network."""

    stations: dict[str, QueueAnswer]
    rates_per_s: dict[str, float]
    latency_s: float


def traffic(
    outside_per_s: Sequence[float], routing: Sequence[Sequence[float]]
) -> npt.NDArray[np.float64]:
    """Arrivals at each station, those from other stations included: λ = γ + λ·P.

    Args:
        outside_per_s: γ, arrivals from outside.
        routing: P, ``routing[i][j]`` the share that goes from station i to j.

    Raises:
        ValueError: when somebody can never leave.
    """
    matrix = np.eye(len(outside_per_s)) - np.asarray(routing, dtype=float).T
    try:
        return np.asarray(np.linalg.solve(matrix, np.asarray(outside_per_s, dtype=float)))
    except np.linalg.LinAlgError:
        raise ValueError("the routing lets somebody stay for ever") from None


def jackson(
    stations: Mapping[str, OpenStation], routing: Mapping[str, Mapping[str, float]]
) -> OpenAnswer:
    """The network's steady state.

    Args:
        stations: By name.
        routing: ``routing[a][b]`` is the share of those leaving a who go to b; the others leave.

    Raises:
        ValueError: when a station's load is 1 or more, or somebody can never leave.
    """
    names = list(stations)
    outside = [stations[name].arrivals_per_s for name in names]
    shares = [[routing.get(a, {}).get(b, 0.0) for b in names] for a in names]
    rates = dict(zip(names, map(float, traffic(outside, shares)), strict=True))
    answers = {
        name: mmc(rates[name], station.service_s, station.servers)
        for name, station in stations.items()
    }
    inside = sum(answer.in_system for answer in answers.values())
    return OpenAnswer(answers, rates, inside / sum(outside))
