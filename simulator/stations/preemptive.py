"""Priority with preemption: who ranks higher takes a server away from who ranks lower."""

from __future__ import annotations

from typing import Any

from simpy import Environment

from simulator.stations.base import Balks, Done, Left, Queue
from simulator.stations.priority_queue import PriorityQueue, Rank
from simulator.stations.station import Station


class PreemptiveStation(Station):
    """Preemptive-resume priority: interrupted work goes on later where it stood.

    An arrival that finds all servers busy interrupts the customer of the highest rank number in
    service, of several the one who would take longest, if its own number is lower.

    Args:
        env: The simulation.
        servers: How many.
        name: For the results.
        rank: The rank of a customer (its token); the lowest goes first.
        capacity: Customers inside at most; one more is blocked, whatever its rank.
        queue: A queue by the same rank, when it is not to be a plain one.
        balks: Whether an arrival that finds so many waiting goes away at once.
        left: Told of every customer who goes without having been served.
    """

    def __init__(
        self, env: Environment, servers: int, name: str, rank: Rank, *,
        capacity: int | None = None, queue: Queue | None = None, balks: Balks | None = None,
        left: Left | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            env, servers, name, capacity=capacity, balks=balks, left=left,
            queue=PriorityQueue(rank) if queue is None else queue,
        )  # fmt: skip
        self._rank = rank

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Ask for a service of ``needed_s``; ``done(token)`` follows when it is over."""
        if not self._ready and not self.paused and not self._surplus:
            busy = self._busy()
            last = max(busy, key=lambda server: (self._rank(server.token), server.ends_s))
            full = self._capacity is not None and self.inside >= self._capacity
            if self._rank(token) < self._rank(last.token) and not full:
                self._idle.append(self._interrupt(last))
        super().request(needed_s, done, token)
