"""Cores shared by whatever wants to run: egalitarian processor sharing."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from typing import Any

from simpy import Environment, Event, Timeout

from simulator.measures import StationMeasures
from simulator.stations.base import Balks, Component, Done, Left

# Work of less than a nanosecond is rounding.
NEGLIGIBLE_S = 1e-9
# A target no piece of work can have: it is no longer on the processor.
GONE = -1.0


class Work:
    """A piece of work on a :class:`Processor`; a handle for its owner."""

    __slots__ = ("begun_at", "done", "needed_s", "started_s", "target", "token")

    def __init__(self, needed_s: float, begun_at: float, now: float, done: Done, token: Any):
        self.needed_s = needed_s
        self.begun_at = begun_at
        self.target = begun_at + needed_s
        self.started_s = now
        self.done = done
        self.token = token


class Processor(Component):
    """Some cores shared by whatever wants to run: egalitarian processor sharing.

    With n pieces of work on c cores each runs at rate min(1, c/n), as threads under a fair
    scheduler do. All run at one rate, so one clock of *attained service* serves them all: a piece
    that starts at reading v with need w is done at reading v + w. Departures are a heap of such
    readings, and a change of the rate moves only the next event.

    Args:
        env: The simulation.
        cores: How many; a part of one is allowed.
        name: For the results.
        capacity: Customers inside at most; one more :meth:`request` is blocked.
        balks: Whether a request that finds so many more than cores goes away at once.
        left: Told of every customer who goes without having been served.

    Raises:
        ValueError: when ``cores`` is not positive.
    """

    def __init__(
        self, env: Environment, cores: float, name: str, *, capacity: int | None = None,
        balks: Balks | None = None, left: Left | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, env.now, left)
        _check(cores, name)
        self._env = env
        self._cores = cores
        self._capacity = capacity
        self._balks = balks
        self._paused = False
        self._attained = 0.0
        self._running = 0
        self._changed_s = env.now
        self._heap: list[tuple[float, int, Work]] = []
        self._pushed = 0
        self._timer: Event | None = None
        self._armed_for = 0.0

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """As :meth:`start`, when capacity and balking let the customer in."""
        if self._capacity is not None and self._running >= self._capacity:
            self.arrived += 1
            self._leaves(token, "blocked")
        elif self._balks is not None and self._balks(max(self._running - int(self._cores), 0)):
            self.arrived += 1
            self._leaves(token, "balked")
        else:
            self.start(needed_s, done, token)

    def start(self, needed_s: float, done: Done, token: Any = None) -> Work:
        """Begin work that takes ``needed_s`` on an idle core."""
        self.arrived += 1
        self._advance()
        work = Work(needed_s, self._attained, self._env.now, done, token)
        self._running += 1
        self._push(work)
        return work

    def attained_s(self, work: Work) -> float:
        """How much of ``work`` has been done."""
        self._advance()
        return self._attained - work.begun_at

    def shorten(self, work: Work, needed_s: float) -> None:
        """Let ``work`` end after ``needed_s`` in all, which must not lie behind what is done."""
        self._advance()
        work.needed_s = needed_s
        work.target = max(work.begun_at + needed_s, self._attained)
        self._push(work)

    def withdraw(self, work: Work) -> float:
        """Take unfinished ``work`` off the cores; returns what is left of it, seconds.

        Its owner has it back: it counts as if it had not come.
        """
        self._advance()
        left_s = max(work.target - self._attained, 0.0)
        work.target = GONE
        self.arrived -= 1
        self._running -= 1
        self._rearm()
        return left_s

    @property
    def servers(self) -> float:
        """How many cores there are."""
        return self._cores

    @property
    def inside(self) -> int:
        """Pieces of work on the cores."""
        # Shortened work stands in the heap twice, withdrawn work until its turn comes.
        return sum(target == work.target for target, _, work in self._heap)

    def snapshot(self) -> StationMeasures:
        """The measures up to now; may be reset at this very moment, and only then."""
        self._advance()
        return self.measures

    def pause(self) -> None:
        """Stop all work; arrivals join and stand still."""
        self._advance()
        self._paused = True
        self._timer = None

    def resume(self) -> None:
        """All work goes on where it stood."""
        self._advance()
        self._paused = False
        self._rearm()

    def set_servers(self, servers: float) -> None:
        """Have so many cores from now on.

        Raises:
            ValueError: when ``servers`` is not positive.
        """
        _check(servers, self.name)
        self._advance()
        self._cores = servers
        self._rearm()

    def crash(self) -> None:
        """Lose all work, and do none until :meth:`resume`."""
        self.pause()
        lost = [work for target, _, work in sorted(self._heap) if target == work.target]
        self._heap.clear()
        self._running = 0
        for work in lost:
            work.target = GONE
        for work in lost:
            self._leaves(work.token, "lost")

    def _rate(self) -> float:
        return 1.0 if self._running <= self._cores else self._cores / self._running

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            if self._paused:
                self.measures.add_time(elapsed, 0.0, self._running)
            else:
                busy = min(self._running, self._cores)
                self._attained += elapsed * self._rate()
                self.measures.add_time(elapsed, busy / self._cores, self._running - busy)
            self._changed_s = now

    def _push(self, work: Work) -> None:
        self._pushed += 1
        heappush(self._heap, (work.target, self._pushed, work))
        if not self._paused and (self._timer is None or work.target < self._armed_for):
            self._arm()

    def _arm(self) -> None:
        target = self._heap[0][0]
        delay = (target - self._attained) / self._rate()
        self._timer = timer = Timeout(self._env, max(delay, 0.0))
        self._armed_for = target
        timer.callbacks.append(self._fire)

    def _rearm(self) -> None:
        """Work may end earlier than the timer says: set it anew."""
        self._heap[:] = [entry for entry in self._heap if entry[0] == entry[2].target]
        heapify(self._heap)
        if self._running == 0:
            self._heap.clear()
            self._attained = 0.0
        self._timer = None
        if self._heap and not self._paused:
            self._arm()

    def _fire(self, event: Event) -> None:
        if event is not self._timer:
            return
        self._advance()
        # What callbacks start must not set the timer for work that ends here and now.
        self._armed_for = -math.inf
        heap = self._heap
        now = self._env.now
        while heap and heap[0][0] <= self._attained + NEGLIGIBLE_S:
            target, _, work = heappop(heap)
            if target != work.target:
                continue
            work.target = GONE
            self.completed += 1
            self._running -= 1
            if self._running == 0:
                heap.clear()
                self._attained = 0.0
            self.measures.add_customer(max(now - work.started_s - work.needed_s, 0.0))
            work.done(work.token)
        # More work may have come after the event was set, so it can be early: then it is set again.
        if event is self._timer:
            self._timer = None
            if heap:
                self._arm()


def _check(cores: float, name: str) -> None:
    if cores <= 0:
        raise ValueError(f"{name}: cores must be positive, got {cores}")
