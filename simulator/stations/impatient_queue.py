"""A queue that customers leave when their patience ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

from simpy import Environment, Event, Timeout

from simulator.stations.base import Queue, Ticket

# Below so many entries that mean nothing any more, tidying up costs more than it saves.
TIDY_FROM = 64


class ImpatientQueue:
    """Customers wait in ``inner`` until they are served or give up.

    One guarded timer stands at the earliest deadline, instead of a race between two events for
    each customer. Who is served before its deadline is crossed out; the deadline is passed over
    later, and what has been crossed out is thrown away when it outweighs the rest, so that memory
    follows the number of those who wait.

    Args:
        env: The simulation.
        inner: Gives the order of service.
        patience_s: How long a customer (its token) is going to wait; may be infinite.
        gave_up: Told of a customer who has just left the queue.
    """

    def __init__(
        self, env: Environment, inner: Queue, patience_s: Callable[[Any], float],
        gave_up: Callable[[Ticket], None],
    ) -> None:  # fmt: skip
        self._env = env
        self._inner = inner
        self._patience_s = patience_s
        self._gave_up = gave_up
        # Identities of the tickets that wait: `inner` and the deadlines also hold others.
        self._waiting: set[int] = set()
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._joined = 0
        self._timer: Event | None = None
        self._armed_for_s = math.inf

    def append(self, ticket: Ticket, /) -> None:
        """A customer joins, and its patience begins to run."""
        patience_s = self._patience_s(ticket[3])
        self._inner.append(ticket)
        self._waiting.add(id(ticket))
        if patience_s < math.inf:
            self._tidy()
            self._joined += 1
            deadline_s = self._env.now + patience_s
            heappush(self._deadlines, (deadline_s, self._joined, ticket))
            if deadline_s < self._armed_for_s:
                self._arm(deadline_s)

    def appendleft(self, ticket: Ticket, /) -> None:
        """A customer whose service was interrupted: it has been served in part, and stays."""
        self._inner.appendleft(ticket)
        self._waiting.add(id(ticket))

    def popleft(self) -> Ticket:
        """The next to be served leaves the queue."""
        while True:
            ticket = self._inner.popleft()
            if id(ticket) in self._waiting:
                self._waiting.remove(id(ticket))
                return ticket

    def clear(self) -> None:
        """Everybody leaves."""
        self._inner.clear()
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for ticket in self._inner if id(ticket) in self._waiting)

    def _arm(self, deadline_s: float) -> None:
        self._armed_for_s = deadline_s
        self._timer = timer = Timeout(self._env, max(deadline_s - self._env.now, 0.0))
        timer.callbacks.append(self._fire)

    def _fire(self, event: Event) -> None:
        if event is not self._timer:
            return
        # Who comes back at once must not set the timer before all whose time is up have gone.
        self._armed_for_s = -math.inf
        now = self._env.now
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now or id(deadlines[0][2]) not in self._waiting):
            ticket = heappop(deadlines)[2]
            if id(ticket) in self._waiting:
                self._waiting.remove(id(ticket))
                self._gave_up(ticket)
        self._armed_for_s = math.inf
        if deadlines:
            self._arm(deadlines[0][0])

    def _tidy(self) -> None:
        """Throw away what has been crossed out, once it is most of what is held."""
        waiting = self._waiting
        if len(self._deadlines) > 2 * len(waiting) + TIDY_FROM:
            self._deadlines[:] = [d for d in self._deadlines if id(d[2]) in waiting]
            heapify(self._deadlines)
        if len(self._inner) > 2 * len(waiting) + TIDY_FROM:
            kept = list(self)
            self._inner.clear()
            for ticket in kept:
                self._inner.append(ticket)
