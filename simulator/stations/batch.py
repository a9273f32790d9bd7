"""Bulk service: a server takes several customers at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from simpy import Environment

from simulator.events import Timer
from simulator.measures import StationMeasures
from simulator.stations.base import Balks, Component, Done, Left, Queue, Ticket

BatchTime = Callable[[Sequence[float]], float]


def first(needed_s: Sequence[float]) -> float:
    """A batch takes what its first customer needs: with like customers, one draw a batch."""
    return needed_s[0]


class _Batch(Timer):
    """A batch in service."""

    began_s: float
    needed_s: float
    customers: list[Ticket]


class BatchStation(Component):
    """Servers that each take up to ``size`` waiting customers and serve them together.

    A server that becomes free takes whoever waits, and begins with one customer if there are no
    more (the usual bulk service of Bailey 1954, M/M[1,b]/1). Who comes later waits for the next
    batch.

    Args:
        env: The simulation.
        size: Customers in a batch at most.
        name: For the results.
        servers: Batches at a time.
        batch_time: Seconds a batch takes, of the seconds its customers need: `max` when it takes
            as long as its longest, :func:`first` when it has one time of its own.
        capacity: Customers inside at most, those in service too; one more is blocked.
        queue: The order of service; first come, first served by default.
        balks: Whether an arrival that finds so many waiting goes away at once.
        left: Told of every customer who goes without having been served.

    Raises:
        ValueError: when ``size`` or ``servers`` is under 1.
    """

    def __init__(
        self, env: Environment, size: int, name: str, *, servers: int = 1,
        batch_time: BatchTime = max, capacity: int | None = None, queue: Queue | None = None,
        balks: Balks | None = None, left: Left | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, env.now, left)
        if size < 1:
            raise ValueError(f"{name}: a batch must hold at least 1, got {size}")
        self._env = env
        self._size = size
        self._batch_time = batch_time
        self._capacity = capacity
        self._balks = balks
        self._queue: Queue = deque() if queue is None else queue
        self._servers = 0
        self._running: set[_Batch] = set()
        # Batches that a pause has interrupted: what is left of them (seconds), and who is in them.
        self._interrupted: deque[tuple[float, list[Ticket]]] = deque()
        self._paused = False
        self._changed_s = env.now
        self.set_servers(servers)

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Ask for a service; ``done(token)`` follows when the batch is over."""
        self.arrived += 1
        if self._capacity is not None and self.inside >= self._capacity:
            self._leaves(token, "blocked")
            return
        free = len(self._running) < self._servers and not self._paused
        if not free and self._balks is not None and self._balks(len(self._queue)):
            self._leaves(token, "balked")
            return
        self._advance()
        self._queue.append((self._env.now, needed_s, done, token))
        if free:
            self._fill()

    @property
    def servers(self) -> int:
        """Batches that may be served at a time."""
        return self._servers

    @property
    def inside(self) -> int:
        """Customers waiting or in service."""
        running = sum(len(batch.customers) for batch in self._running)
        return len(self._queue) + running + self._standing()

    def snapshot(self) -> StationMeasures:
        """The measures up to now; may be reset at this very moment, and only then."""
        self._advance()
        return self.measures

    def pause(self) -> None:
        """Stop serving. Batches under way stand still."""
        if self._paused:
            return
        self._advance()
        self._paused = True
        now = self._env.now
        for batch in sorted(self._running, key=lambda batch: batch.began_s):
            left_s = max(batch.began_s + batch.needed_s - now, 0.0)
            batch.disarm()
            self._interrupted.append((left_s, batch.customers))
        self._running.clear()

    def resume(self) -> None:
        """Serve again; interrupted batches go on first, where they stood."""
        self._advance()
        self._paused = False
        self._fill()

    def set_servers(self, servers: int) -> None:
        """Serve so many batches at a time from now on; those under way end as they would.

        Raises:
            ValueError: when there would be fewer than one.
        """
        if servers < 1:
            raise ValueError(f"{self.name}: servers must be at least 1, got {servers}")
        self._advance()
        self._servers = servers
        self._fill()

    def crash(self) -> None:
        """Lose everybody inside, and serve nobody until :meth:`resume`."""
        self.pause()
        inside = [ticket for _, customers in self._interrupted for ticket in customers]
        inside += self._queue
        self._interrupted.clear()
        self._queue.clear()
        for ticket in inside:
            self._leaves(ticket[3], "lost")

    def gave_up(self, ticket: Ticket) -> None:
        """A queue tells that this customer's patience has ended and it has left the queue."""
        self._advance(also_waiting=1)
        self._leaves(ticket[3], "reneged")

    def _fill(self) -> None:
        while not self._paused and len(self._running) < self._servers:
            if self._interrupted:
                self._begin(*self._interrupted.popleft())
            elif self._queue:
                number = min(self._size, len(self._queue))
                customers = [self._queue.popleft() for _ in range(number)]
                now = self._env.now
                for ticket in customers:
                    self.measures.add_customer(now - ticket[0])
                self._begin(self._batch_time([ticket[1] for ticket in customers]), customers)
            else:
                return

    def _begin(self, needed_s: float, customers: list[Ticket]) -> None:
        batch = _Batch(self._env, self._over)
        batch.began_s = self._env.now
        batch.needed_s = needed_s
        batch.customers = customers
        self._running.add(batch)
        batch.arm(needed_s)

    def _over(self, batch: _Batch) -> None:
        self._advance()
        self._running.remove(batch)
        self.completed += len(batch.customers)
        self._fill()
        for _, _, done, token in batch.customers:
            done(token)

    def _standing(self) -> int:
        return sum(len(customers) for _, customers in self._interrupted)

    def _advance(self, also_waiting: int = 0) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            waiting = len(self._queue) + self._standing() + also_waiting
            # Draining batches beyond the number of servers are busy servers too.
            servers = max(self._servers, len(self._running))
            self.measures.add_time(elapsed, len(self._running) / servers, waiting)
            self._changed_s = now
