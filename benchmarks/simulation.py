"""Simulation speed: our stations against SimPy written the usual way, and other simulators.

Models: an M/M/4 queue and five M/M/1 stations in a row, at a utilisation of 0.8. Ours and plain
SimPy simulate the same arrivals and services (the same seed), give the same answer to the last
digits, and both measure sojourns, waits and utilisation. Rounds are interleaved, so that a change
of the machine's speed hits all; processor time is compared, by pairs. Ciw and salabim take part
when they are installed (`pip install ciw salabim`).
"""

from __future__ import annotations

import itertools
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import simpy

from architecture.station_network import load_network
from benchmarks.other_simulators import NOT_COMPARED, OTHERS, SEED, Tandem, installed
from simulator.network import NetworkTask
from simulator.network.customers import ClassCount, Entrance, Exit, Stop
from simulator.replications import replicate
from simulator.stations import Clock, Source, Station, Tally

MODELS = (Tandem("M/M/4", 1, 4, 0.8), Tandem("tandem of five M/M/1", 5, 1, 0.8))
CUSTOMERS = 20_000
ROUNDS = 11
REPLICATIONS = 1000

Seconds = list[float]


def variates(model: Tandem) -> tuple[Seconds, list[Seconds]]:
    """Gaps between arrivals, and services by station."""
    generator = np.random.default_rng(SEED)
    gaps = generator.exponential(1 / model.rate_per_s, CUSTOMERS).tolist()
    return gaps, [generator.exponential(1.0, CUSTOMERS).tolist() for _ in range(model.stages)]


def textbook(model: Tandem, gaps: Seconds, services: list[Seconds]) -> float:
    """A process a customer and ``with resource.request()``; the mean sojourn time."""
    env = simpy.Environment()
    resources = [simpy.Resource(env, model.servers) for _ in services]
    waits: list[Seconds] = [[] for _ in services]
    busy = [0.0] * len(services)
    sojourns: Seconds = []

    def customer(needs: tuple[float, ...]) -> Iterator[Any]:
        entered = env.now
        for number, need in enumerate(needs):
            arrived = env.now
            with resources[number].request() as slot:
                yield slot
                waits[number].append(env.now - arrived)
                yield env.timeout(need)
                busy[number] += need
        sojourns.append(env.now - entered)

    def arrivals() -> Iterator[Any]:
        for gap, *needs in zip(gaps, *services, strict=True):
            yield env.timeout(gap)
            env.process(customer(tuple(needs)))

    env.process(arrivals())
    env.run()
    return statistics.fmean(sojourns)


def stations(
    env: simpy.Environment, model: Tandem, gaps: Seconds, services: list[Seconds]
) -> float:
    """The simulator's own parts, as a network's file makes them; the mean sojourn time."""
    count = ClassCount("all", 0, None)
    queues = [Station(env, model.servers, str(number)) for number in range(model.stages)]
    stops = [
        Stop(env, queue.request, iter(needs).__next__, Tally())
        for queue, needs in zip(queues, services, strict=True)
    ]
    for stop, following in itertools.pairwise(stops):
        stop.connect(following)
    stops[-1].connect(Exit(env, count).enter)
    Source(env, iter(gaps), Entrance(env, count, stops[0].enter, lambda: None).arrive)
    env.run()
    for queue in queues:
        queue.snapshot()
        queue.check_conservation()
    return count.latency_s.mean


def compare(model: Tandem) -> None:
    """Interleaved rounds of all ways to simulate one model."""
    gaps, services = variates(model)
    ways: dict[str, tuple[Callable[[], float], int]] = {
        "plain SimPy": (lambda: textbook(model, gaps, services), CUSTOMERS),
        "ours, SimPy's loop": (
            lambda: stations(simpy.Environment(), model, gaps, services), CUSTOMERS,
        ),
        "ours": (lambda: stations(Clock(), model, gaps, services), CUSTOMERS),
    }  # fmt: skip
    for name, (run, share) in installed().items():
        number = int(CUSTOMERS * share)
        ways[name] = (lambda run=run, number=number: run(model, number), number)
    times: dict[str, Seconds] = {name: [] for name in ways}
    answers: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, (way, customers) in ways.items():
            start = time.process_time()
            answers[name] = way()
            times[name].append((time.process_time() - start) / customers)
    reference, *ours = list(answers.values())[:3]
    assert all(abs(reference - answer) < 1e-9 * reference for answer in ours), answers
    print(f"{model.name} at {model.utilisation}, {ROUNDS} interleaved rounds")
    events = 2 * model.stages
    for name, taken in times.items():
        ratios = sorted(a / b for a, b in zip(times["plain SimPy"], taken, strict=True))
        median = statistics.median(taken)
        print(
            f"  {name:<19} {median * 1e6:8.2f} µs a customer ({min(taken) * 1e6:.2f} to "
            f"{max(taken) * 1e6:.2f}), {events / median:11,.0f} arrivals and departures/s; "
            f"ratio {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); mean "
            f"sojourn {answers[name]:.2f} s"
        )


def memory() -> None:
    """Peak memory of one replication, and of one five times as long."""
    network = load_network("three-stations")
    print("memory of one replication (peak of Python's allocations)")
    for duration_s in (4e6, 2e7):
        tracemalloc.start()
        NetworkTask(network, duration_s, 0.0)(SEED, 0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        customers = duration_s * 0.05
        print(f"  {customers:9,.0f} customers: {peak / 1e6:6.1f} MB")


def replications() -> None:
    """A thousand replications of a network on one core and on two, wall time."""
    task = NetworkTask(load_network("three-stations"), 40_000, 800)
    print(f"{REPLICATIONS:,} replications of a three-station network, 2,000 customers each")
    taken = {}
    for jobs in (1, 2):
        start = time.perf_counter()
        replicate(task, seed=SEED, replications=REPLICATIONS, jobs=jobs)
        taken[jobs] = time.perf_counter() - start
    print(f"  1 core {taken[1]:.1f} s, 2 cores {taken[2]:.1f} s: {taken[1] / taken[2]:.2f} times")


def main() -> None:
    """Run all and print medians, ranges and ratios."""
    for model in MODELS:
        compare(model)
    missing = [name for name in OTHERS if name not in installed()]
    for name in missing:
        print(f"  not compared: {name} is not installed")
    print(f"  not compared: {NOT_COMPARED}")
    memory()
    replications()
