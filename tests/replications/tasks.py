"""Replications for tests: quick, wrong, slow."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from architecture import Design
from simulator.streams import Streams


def noise(seed: int, replication: int) -> dict[str, float]:
    """A normal value with mean 10, an exponential one, and one that is seen now and then."""
    random = Streams(seed, replication).generator("noise")
    seldom = random.random()
    return {
        "normal": random.normal(10.0, 1.0),
        "exponential": random.exponential(1.0),
        "seldom": seldom if seldom > 0.5 else math.nan,
    }


@dataclass(frozen=True)
class Queue:
    """Mean sojourn time of the first customers of an M/M/1 queue with mean service 1."""

    utilisation: float
    customers: int = 500

    def __call__(self, seed: int, replication: int) -> dict[str, float]:
        streams = Streams(seed, replication)
        service = streams.generator("service").standard_exponential(self.customers)
        gaps = streams.generator("gaps").standard_exponential(self.customers) / self.utilisation
        walk = np.concatenate([[0.0], np.cumsum(service[:-1] - gaps[1:])])
        sojourn = walk - np.minimum.accumulate(walk) + service
        return {"sojourn": float(sojourn.mean())}


def batching(design: Design, seed: int, replication: int) -> dict[str, float]:
    """What a design's batch and queue limits might give, with the same chance for every design."""
    chance = Streams(seed, replication).generator("chance").exponential(1.0)
    return {
        "wait_s": design.inference.queue_timeout_s / design.inference.max_batch + chance,
        "batch": float(design.inference.max_batch),
    }


@dataclass(frozen=True)
class Slow:
    """Takes its time."""

    sleep_s: float

    def __call__(self, seed: int, replication: int) -> dict[str, float]:
        time.sleep(self.sleep_s)
        return {"value": float(seed + replication)}


@dataclass(frozen=True)
class Counted:
    """Leaves a file for every replication that really ran."""

    folder: Path
    sleep_s: float = 0.0

    def __call__(self, seed: int, replication: int) -> dict[str, float]:
        time.sleep(self.sleep_s)
        (self.folder / f"{replication}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return {"value": float(seed * 1000 + replication)}

    def runs(self) -> list[int]:
        """Numbers of the replications that ran, once for each time."""
        return sorted(int(file.name.partition("-")[0]) for file in self.folder.iterdir())


class AwkwardError(Exception):
    """An exception that pickling cannot bring back: its constructor wants two arguments."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


@dataclass(frozen=True)
class FailingAt:
    """Fails at one replication, in a way of the test's choice."""

    number: int
    fail: Callable[[], None]

    def __call__(self, seed: int, replication: int) -> dict[str, float]:
        if replication == self.number:
            self.fail()
        return {"value": float(seed + replication)}


def divide_by_zero() -> None:
    """Fail as a model with a fault does."""
    _ = 1 / (0 * os.getpid())


def raise_awkwardly() -> None:
    """Fail with an exception that cannot travel."""
    raise AwkwardError(1, 2)


def die() -> None:
    """Fail as a process without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
