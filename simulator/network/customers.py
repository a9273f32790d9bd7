"""Customers on their way, and the stops they make: one class at one station."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from simpy import Environment

from simulator.stations import Leaving, Tally
from simulator.streams import Variate

Enter = Callable[[Any], None]

# A timer that was set for a deadline may fire a rounding error before it.
ROUNDING_S = 1e-6
# Tallies are folded when they are too long; so many arrivals of a class pass between two looks.
TIDY_EVERY = 5_000


class Customer:
    """Somebody in the network. Times are the simulation's clock, seconds."""

    __slots__ = ("arrived_s", "deadline_s", "entered_s", "of")

    def __init__(self, of: ClassCount) -> None:
        self.of = of
        self.entered_s = self.arrived_s = math.nan
        self.deadline_s = math.inf


class ClassCount:
    """What became of the customers of one class."""

    def __init__(self, name: str, priority: int, timeout_s: float | None) -> None:
        self.name = name
        self.priority = priority
        self.timeout_s = math.inf if timeout_s is None else timeout_s
        self.latency_s = Tally()
        self.arrived = self.completed = self.timed_out = 0
        self.balked = self.blocked = self.reneged = self.lost = 0
        # Where a customer goes who has left the network in whatever way: nowhere, or to think.
        self.afterwards: Enter | None = None
        # Objects of customers who are through, to be used again.
        self.spare: list[Customer] = []

    @property
    def inside(self) -> int:
        """Customers that came and have not left."""
        return self.arrived - self.completed - self.left

    @property
    def left(self) -> int:
        """Customers who left without having been through."""
        return self.timed_out + self.balked + self.blocked + self.reneged + self.lost

    def left_at_station(self, customer: Customer, how: Leaving, now: float) -> None:
        """A station tells that the customer has gone."""
        match how:
            case "balked":
                self.balked += 1
            case "blocked":
                self.blocked += 1
            case "reneged" if now >= customer.deadline_s - ROUNDING_S:
                self.timed_out += 1
            case "reneged":
                self.reneged += 1
            case "lost":
                self.lost += 1
        if self.afterwards is not None:
            self.afterwards(customer)


class Entrance:
    """Where the customers of one class come in."""

    def __init__(
        self, env: Environment, count: ClassCount, first: Enter, tidy: Callable[[], None]
    ) -> None:
        self._env = env
        self._count = count
        self._first = first
        self._tidy = tidy
        self._timed = count.timeout_s < math.inf

    def arrive(self) -> None:
        """A new customer of an open class."""
        count = self._count
        spare = count.spare
        self.arrive_again(spare.pop() if spare else Customer(count))

    def arrive_again(self, customer: Customer) -> None:
        """A customer of a closed class has thought and begins a round."""
        count = self._count
        count.arrived += 1
        if count.arrived % TIDY_EVERY == 0:
            self._tidy()
        customer.entered_s = now = self._env.now
        if self._timed:
            customer.deadline_s = now + count.timeout_s
        self._first(customer)


class Exit:
    """Where the customers of one class leave when they are through."""

    def __init__(self, env: Environment, count: ClassCount) -> None:
        self._env = env
        self._count = count
        self._keep = count.latency_s.kept.append

    def enter(self, customer: Customer) -> None:
        """A customer is through."""
        count = self._count
        count.completed += 1
        self._keep(self._env.now - customer.entered_s)
        if count.afterwards is None:
            count.spare.append(customer)
        else:
            count.afterwards(customer)


class Stop:
    """One class at one station: draws the service, and sends the customer on afterwards."""

    def __init__(
        self, env: Environment, request: Callable[[float, Enter, Any], None], service_s: Variate,
        sojourn_s: Tally,
    ) -> None:  # fmt: skip
        self.request = request
        self.service_s = service_s
        # Bound once: binding a method at each visit costs.
        self.left: Enter = self.leave
        self._env = env
        self._keep = sojourn_s.kept.append
        self._onwards: Enter = _nowhere
        self._only: Stop | None = None

    def connect(self, onwards: Enter | Stop) -> None:
        """Say where customers go afterwards."""
        if isinstance(onwards, Stop):
            self._only = onwards
            self._onwards = onwards.enter
        else:
            self._only = None
            self._onwards = onwards

    def enter(self, customer: Customer) -> None:
        """A customer comes to the station."""
        customer.arrived_s = self._env.now
        self.request(self.service_s(), self.left, customer)

    def leave(self, customer: Customer) -> None:
        """The station has served the customer."""
        now = self._env.now
        self._keep(now - customer.arrived_s)
        only = self._only
        if only is None:
            self._onwards(customer)
        else:  # what its `enter` does, without calling it
            customer.arrived_s = now
            only.request(only.service_s(), only.left, customer)


class TimedStop(Stop):
    """A stop of a class with a time-out: who is late when the service ends goes no further."""

    def leave(self, customer: Customer) -> None:
        """The station has served the customer."""
        now = self._env.now
        self._keep(now - customer.arrived_s)
        if now < customer.deadline_s:
            self._onwards(customer)
            return
        count = customer.of
        count.timed_out += 1
        if count.afterwards is not None:
            count.afterwards(customer)


def _nowhere(_customer: Any) -> None:
    raise RuntimeError("the stop was not connected")
