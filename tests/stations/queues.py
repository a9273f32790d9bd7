"""Stations built alone, and customers sent through them with common random numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from simpy import Environment

from simulator.stations import (
    BatchStation,
    Component,
    Delay,
    ImpatientQueue,
    PreemptiveStation,
    PriorityQueue,
    Processor,
    Source,
    Station,
)


@dataclass(eq=False)
class Guest:
    """A customer of the tests; ``rank`` and ``patience_s`` are used by the stations that ask."""

    arrived_s: float
    rank: int
    patience_s: float


@dataclass
class Seen:
    """What became of all customers, in order of their arrival where they were served."""

    station: Component
    ended_s: float = 0.0
    sojourn_s: dict[int, float] = field(default_factory=dict)
    left: dict[int, str] = field(default_factory=dict)

    @property
    def mean_s(self) -> float:
        return float(np.mean(list(self.sojourn_s.values())))


Left = Callable[[object, str], None]
Build = Callable[[Environment, int, Left], Component]


def fifo(env: Environment, servers: int, left: Left) -> Component:
    return Station(env, servers, "fifo", left=left)


def on_processor(env: Environment, servers: int, left: Left) -> Component:
    return Station(env, servers, "threads", Processor(env, 2.5, "cores"), left=left)


def finite(env: Environment, servers: int, left: Left) -> Component:
    return Station(env, servers, "finite", capacity=6, left=left)


def balking(env: Environment, servers: int, left: Left) -> Component:
    return Station(env, servers, "balking", balks=lambda waiting: waiting >= 3, left=left)


def impatient(env: Environment, servers: int, left: Left) -> Component:
    def gave_up(ticket: tuple[float, float, object, object]) -> None:
        station.gave_up(ticket)

    queue = ImpatientQueue(env, PriorityQueue(_same), _patience_s, gave_up)
    station = Station(env, servers, "impatient", queue=queue, left=left)
    return station


def priority(env: Environment, servers: int, left: Left) -> Component:
    return Station(env, servers, "priority", queue=PriorityQueue(_rank), left=left)


def preemptive(env: Environment, servers: int, left: Left) -> Component:
    return PreemptiveStation(env, servers, "preemptive", _rank, left=left)


def sharing(env: Environment, servers: int, left: Left) -> Component:
    return Processor(env, servers, "sharing", left=left)


def delay(env: Environment, servers: int, left: Left) -> Component:
    return Delay(env, "delay", left=left)


def batch(env: Environment, servers: int, left: Left) -> Component:
    return BatchStation(env, 3, "batch", servers=servers, left=left)


COMPONENTS: dict[str, Build] = {
    build.__name__: build
    for build in (
        fifo, on_processor, finite, balking, impatient, priority, preemptive, sharing, delay, batch,
    )
}  # fmt: skip


def _rank(guest: Guest) -> int:
    return guest.rank


def _same(_guest: Guest) -> int:
    return 0


def _patience_s(guest: Guest) -> float:
    return guest.patience_s


def send_through(
    build: Build, servers: int, gaps_s: np.ndarray, needs_s: np.ndarray, *, seed: int = 0,
    until_s: float | None = None, disturb: Callable[[Environment, Component], None] | None = None,
) -> Seen:  # fmt: skip
    """Customers with these gaps and needs, one in three of them urgent, until all have left."""
    env = Environment()
    generator = np.random.default_rng(seed)
    ranks = generator.choice([0, 1, 1], len(gaps_s)).tolist()
    patience_s = generator.exponential(3.0, len(gaps_s)).tolist()
    numbers: dict[int, int] = {}

    def gone(guest: object, how: str) -> None:
        seen.left[numbers[id(guest)]] = how

    def served(guest: Guest) -> None:
        seen.sojourn_s[numbers[id(guest)]] = env.now - guest.arrived_s

    station = build(env, servers, gone)
    seen = Seen(station)
    waiting = list(zip(ranks, patience_s, needs_s.tolist(), strict=True))
    guests: list[Guest] = []

    def arrive() -> None:
        number = len(guests)
        rank, patience, need_s = waiting[number]
        guest = Guest(env.now, rank, patience)
        guests.append(guest)
        numbers[id(guest)] = number
        station.request(need_s, served, guest)

    Source(env, iter(gaps_s.tolist()), arrive)
    if disturb is not None:
        disturb(env, station)
    env.run(until=until_s)
    seen.ended_s = env.now
    return seen


def exponential(seed: int, number: int, mean: float) -> np.ndarray:
    """Exponential values from a seed."""
    return np.random.default_rng(seed).exponential(mean, number)
