"""1,000 replications of a small model on one core and on two, and what handing them out costs.

The model is an M/M/1 queue in textbook SimPy. Ways are interleaved, so that a change of the
machine's speed hits all. Wall time tells the speed-up only on a quiet machine (the load average is
printed); processor time, that of the workers included, tells what the ways cost beyond the model
on any.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

import joblib  # type: ignore[import-untyped]
import psutil
import simpy

from simulator.replications import replicate
from simulator.streams import Streams

REPLICATIONS = 1000
CUSTOMERS = 300
UTILISATION = 0.8
ROUNDS = 3
WORKERS = 2
EMPTY = 5000
SEED = 7


def queue(seed: int, replication: int) -> dict[str, float]:
    """Mean sojourn time of the first customers of an M/M/1 queue; mean service 1."""
    streams = Streams(seed, replication)
    gaps = streams.generator("gaps").exponential(1 / UTILISATION, CUSTOMERS).tolist()
    services = streams.generator("services").exponential(1.0, CUSTOMERS).tolist()
    env = simpy.Environment()
    server = simpy.Resource(env)
    sojourns: list[float] = []

    def customer(service: float) -> Generator[simpy.Event, Any, None]:
        arrived = env.now
        with server.request() as slot:
            yield slot
            yield env.timeout(service)
        sojourns.append(env.now - arrived)

    def arrivals() -> Generator[simpy.Event, Any, None]:
        for gap, service in zip(gaps, services, strict=True):
            yield env.timeout(gap)
            env.process(customer(service))

    env.process(arrivals())
    env.run()
    return {"sojourn": statistics.fmean(sojourns)}


def nothing(_seed: int, replication: int) -> dict[str, float]:
    """A replication that costs nothing but being handed out."""
    return {"value": float(replication)}


def queue_of(replication: int) -> dict[str, float]:
    """:func:`queue` for ``multiprocessing``."""
    return queue(SEED, replication)


def on_dask() -> list[float]:
    """The same call with Dask as joblib's backend; a client must be connected."""
    with joblib.parallel_config(backend="dask"):
        return replicate(queue, seed=SEED, replications=REPLICATIONS).values("sojourn")


def processor_s() -> float:
    """Processor seconds of this process and those it started, dead ones of its own included."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def per_task_s(jobs: int) -> float:
    """Wall seconds of one task that does nothing."""
    start = time.perf_counter()
    replicate(nothing, seed=SEED, replications=EMPTY, jobs=jobs)
    return (time.perf_counter() - start) / EMPTY


def main() -> None:
    """Run the rounds and print medians, ranges and ratios."""
    with ExitStack() as stack:
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(WORKERS))
        ways: dict[str, Callable[[], list[float]]] = {
            "one process": lambda: replicate(
                queue, seed=SEED, replications=REPLICATIONS, jobs=1
            ).values("sojourn"),
            f"{WORKERS} processes (loky)": lambda: replicate(
                queue, seed=SEED, replications=REPLICATIONS, jobs=WORKERS
            ).values("sojourn"),
            f"multiprocessing.Pool({WORKERS})": lambda: [
                found["sojourn"] for found in pool.map(queue_of, range(REPLICATIONS))
            ],
        }
        if _dask(stack):
            ways[f"Dask, {WORKERS} workers"] = on_dask
        start = time.perf_counter()
        replicate(nothing, seed=SEED, replications=WORKERS * 2, jobs=WORKERS)
        print(f"first call, processes included: {time.perf_counter() - start:.1f} s")
        for way in list(ways.values())[2:]:
            way()  # their workers import the model
        print(
            f"M/M/1, {CUSTOMERS} customers, {REPLICATIONS} replications, {ROUNDS} interleaved "
            f"rounds; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        )
        _print_times(_rounds(ways))
        for jobs in (1, WORKERS):
            print(f"  an empty task on {jobs}: {1e6 * per_task_s(jobs):.0f} µs ({EMPTY} tasks)")
        print(f"load average at the end {os.getloadavg()[0]:.1f}")


def _dask(stack: ExitStack) -> bool:
    """Start workers and connect to them; False without Dask."""
    try:
        import distributed  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return False
    cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=WORKERS, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    stack.enter_context(cluster)
    stack.enter_context(distributed.Client(cluster))  # type: ignore[no-untyped-call]
    return True


def _rounds(ways: dict[str, Callable[[], list[float]]]) -> dict[str, list[tuple[float, float]]]:
    """(wall, processor) seconds of each way in each round; all must give the same numbers."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    expected: list[float] | None = None
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, processor = time.perf_counter(), processor_s()
            found = way()
            times[name].append((time.perf_counter() - wall, processor_s() - processor))
            expected = expected or found
            assert found == expected, name
    return times


def _print_times(times: dict[str, list[tuple[float, float]]]) -> None:
    first = next(iter(times.values()))
    for name, values in times.items():
        walls, processors = (sorted(kind) for kind in zip(*values, strict=True))
        speed_up = statistics.median(
            one[0] / this[0] for one, this in zip(first, values, strict=True)
        )
        cost = statistics.median(this[1] / one[1] for one, this in zip(first, values, strict=True))
        print(
            f"  {name:<26} {statistics.median(walls):6.2f} s ({walls[0]:.2f} to {walls[-1]:.2f}), "
            f"× {speed_up:.2f}; processor {statistics.median(processors):6.2f} s, × {cost:.2f}"
        )


if __name__ == "__main__":
    main()
