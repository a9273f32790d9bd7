"""Simulation speed: our stations against SimPy written the usual way, on the same M/M/4 queue.

Both simulate the same arrivals and service times (the same seed) at a utilisation of 0.8. Rounds
are interleaved, so that a change of the machine's speed hits both; processor time is compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import simpy

from simulator.station import Station

CUSTOMERS = 100_000
SERVERS = 4
UTILISATION = 0.8
ROUNDS = 7
SEED = 20


def variates() -> tuple[list[float], list[float]]:
    """Gaps between arrivals and service times, seconds; mean service time 1."""
    generator = np.random.default_rng(SEED)
    gaps = generator.exponential(1 / (UTILISATION * SERVERS), CUSTOMERS)
    return gaps.tolist(), generator.exponential(1.0, CUSTOMERS).tolist()


def textbook(gaps: list[float], services: list[float]) -> float:
    """A process a customer and ``with resource.request()``; the mean sojourn time."""
    env = simpy.Environment()
    resource = simpy.Resource(env, SERVERS)
    sojourns: list[float] = []

    def customer(service: float) -> Iterator[Any]:
        arrived = env.now
        with resource.request() as slot:
            yield slot
            yield env.timeout(service)
        sojourns.append(env.now - arrived)

    def arrivals() -> Iterator[Any]:
        for gap, service in zip(gaps, services, strict=True):
            yield env.timeout(gap)
            env.process(customer(service))

    env.process(arrivals())
    env.run()
    return statistics.fmean(sojourns)


def stations(gaps: list[float], services: list[float]) -> float:
    """The simulator's own station, fed by one long-lived process; the mean sojourn time."""
    env = simpy.Environment()
    station = Station(env, servers=SERVERS, name="server")
    sojourns: list[float] = []

    def done(arrived: float) -> None:
        sojourns.append(env.now - arrived)

    def arrivals() -> Iterator[Any]:
        for gap, service in zip(gaps, services, strict=True):
            yield env.timeout(gap)
            station.request(service, done, env.now)

    env.process(arrivals())
    env.run()
    return statistics.fmean(sojourns)


def main() -> None:
    """Run the rounds and print medians, ranges and the ratio."""
    gaps, services = variates()
    ways: dict[str, Callable[[list[float], list[float]], float]] = {
        "textbook SimPy": textbook,
        "simulator.station": stations,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            start = time.process_time()
            answers[name] = run(gaps, services)
            times[name].append(time.process_time() - start)
    reference, ours = answers.values()
    assert abs(reference - ours) < 1e-9 * reference, answers
    print(f"M/M/{SERVERS} at {UTILISATION}, {CUSTOMERS} customers, {ROUNDS} interleaved rounds")
    for name, values in times.items():
        rate = CUSTOMERS / statistics.median(values)
        print(
            f"  {name:<18} {rate:10,.0f} customers/s  "
            f"(median of {ROUNDS}: {statistics.median(values):.2f} s, "
            f"{min(values):.2f} to {max(values):.2f})"
        )
    pairs = zip(*times.values(), strict=True)
    ratios = sorted(usual / fast for usual, fast in pairs)
    print(f"  ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})")
