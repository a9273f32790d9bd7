"""Queues with Poisson arrivals and exponential service: birth-death chains.

Gross, Shortle, Thompson & Harris, Fundamentals of Queueing Theory, 4th ed., chapter 2; Erlang A:
Palm 1957; Garnett, Mandelbaum & Reiman 2002.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from simulator.theory.queue import QueueAnswer, check_load, little

# States less probable than this share of the likeliest so far are left out of endless chains.
NEGLIGIBLE = 1e-18


def mm1(rate_per_s: float, service_s: float) -> QueueAnswer:
    """M/M/1: one server, a queue without end."""
    return mmc(rate_per_s, service_s, 1)


def mmc(rate_per_s: float, service_s: float, servers: int) -> QueueAnswer:
    """M/M/c: queue_length = C·ρ/(1 − ρ) with C from :func:`erlang_c`.

    Raises:
        ValueError: when the load is 1 or more.
    """
    offered = rate_per_s * service_s
    load = check_load(offered / servers)
    queue_length = erlang_c(offered, servers) * load / (1 - load)
    return little(rate_per_s, queue_length, offered, servers)


def erlang_b(offered: float, servers: int) -> float:
    """Share of calls that find all ``servers`` busy when none can wait (Erlang 1917).

    B(0) = 1, B(c) = a·B(c−1) / (c + a·B(c−1)) for an offered load of a erlangs.
    """
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked


def erlang_c(offered: float, servers: int) -> float:
    """Share of customers who must wait in M/M/c: B / (1 − ρ·(1 − B)).

    Raises:
        ValueError: when the load is 1 or more.
    """
    load = check_load(offered / servers)
    blocked = erlang_b(offered, servers)
    return blocked / (1 - load * (1 - blocked))


def mmck(rate_per_s: float, service_s: float, servers: int, capacity: int) -> QueueAnswer:
    """M/M/c/K: at most ``capacity`` customers inside, those in service too; Erlang B when K = c.

    Raises:
        ValueError: when the capacity is less than the servers.
    """
    if capacity < servers:
        raise ValueError(f"capacity {capacity} is less than the {servers} servers")
    ratios = (rate_per_s * service_s / min(number, servers) for number in range(1, capacity + 1))
    shares = _birth_death(ratios)
    number = np.arange(capacity + 1)
    return little(
        rate_per_s,
        float(shares @ np.maximum(number - servers, 0)),
        float(shares @ np.minimum(number, servers)),
        servers,
        blocked=float(shares[-1]),
    )


def erlang_a(rate_per_s: float, service_s: float, servers: int, patience_s: float) -> QueueAnswer:
    """M/M/n+M: who waits gives up after an exponential time of mean ``patience_s``.

    It has a steady state at any load. The share that gives up is θ·L/λ with θ = 1/patience_s.
    """
    leaving = (
        min(number, servers) / service_s + max(number - servers, 0) / patience_s
        for number in itertools.count(1)
    )
    shares = _birth_death((rate_per_s / rate for rate in leaving), endless=True)
    number = np.arange(len(shares))
    queue_length = float(shares @ np.maximum(number - servers, 0))
    return little(
        rate_per_s, queue_length, float(shares @ np.minimum(number, servers)), servers,
        reneged=queue_length / patience_s / rate_per_s,
    )  # fmt: skip


def _birth_death(ratios: Iterable[float], *, endless: bool = False) -> npt.NDArray[np.float64]:
    """Stationary shares of the states 0, 1, 2 … from the ratios of neighbours p(n)/p(n−1).

    Logarithms keep hundreds of servers from overflowing. An endless chain is cut off where it has
    become negligible beyond its likeliest state.
    """
    logs = [0.0]
    highest = 0.0
    for ratio in ratios:
        logs.append(logs[-1] + float(np.log(ratio)))
        highest = max(highest, logs[-1])
        if endless and ratio < 1 and logs[-1] < highest + np.log(NEGLIGIBLE):
            break
    weights = np.exp(np.asarray(logs) - highest)
    return np.asarray(weights / weights.sum())
