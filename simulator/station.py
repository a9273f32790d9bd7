"""Stations: where requests wait and are served.

Written on SimPy's public `Timeout` and its ``callbacks`` instead of a process per customer: two
events a customer, several times the speed. A station calls ``done(token)``
when a service is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from simpy import Environment, Event, Timeout

from simulator.events import Fired
from simulator.measures import StationMeasures

Done = Callable[[Any], None]

# Work of less than a nanosecond is rounding.
NEGLIGIBLE_S = 1e-9


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


class Processor:
    """Some cores shared by whatever wants to run: egalitarian processor sharing.

    With n pieces of work on c cores each runs at rate min(1, c/n), as threads under a fair
    scheduler do. All run at one rate, so one clock of *attained service* serves them all: a piece
    that starts at reading v with need w is done at reading v + w. Departures are a heap of such
    readings, and a change of the rate moves only the next event.
    """

    def __init__(self, env: Environment, cores: float, name: str) -> None:
        if cores <= 0:
            raise ValueError(f"{name}: cores must be positive, got {cores}")
        self.name = name
        self.measures = StationMeasures(env.now)
        self._env = env
        self._cores = cores
        self._attained = 0.0
        self._running = 0
        self._changed_s = env.now
        self._heap: list[tuple[float, int, Work]] = []
        self._pushed = 0
        self._timer: Event | None = None
        self._armed_for = 0.0

    def start(self, needed_s: float, done: Done, token: Any = None) -> Work:
        """Begin work that takes ``needed_s`` on an idle core."""
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

    def snapshot(self) -> StationMeasures:
        """The measures up to now."""
        self._advance()
        return self.measures

    def _rate(self) -> float:
        return 1.0 if self._running <= self._cores else self._cores / self._running

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            busy = min(self._running, self._cores)
            self._attained += elapsed * self._rate()
            self.measures.add_time(elapsed, busy / self._cores, self._running - busy)
            self._changed_s = now

    def _push(self, work: Work) -> None:
        self._pushed += 1
        heappush(self._heap, (work.target, self._pushed, work))
        if self._timer is None or work.target < self._armed_for:
            self._arm()

    def _arm(self) -> None:
        target = self._heap[0][0]
        delay = (target - self._attained) / self._rate()
        self._timer = timer = Timeout(self._env, max(delay, 0.0))
        self._armed_for = target
        timer.callbacks.append(self._fire)

    def _fire(self, event: Event) -> None:
        if event is not self._timer:
            return
        self._timer = None
        self._advance()
        finished: list[Work] = []
        heap = self._heap
        while heap and heap[0][0] <= self._attained + NEGLIGIBLE_S:
            target, _, work = heappop(heap)
            if target == work.target:
                finished.append(work)
                work.target = -1.0
        self._running -= len(finished)
        if self._running == 0:
            heap.clear()
            self._attained = 0.0
        now = self._env.now
        for work in finished:
            self.measures.add_customer(max(now - work.started_s - work.needed_s, 0.0))
            work.done(work.token)
        # More work may have come after the event was set, so it can be early: then it is set again.
        if heap and self._timer is None:
            self._arm()


class Station:
    """First come, first served by a number of like servers.

    The servers' work takes its time by itself, or runs on a shared :class:`Processor`: a server is
    then a thread, and the processor says how fast it goes.
    """

    def __init__(
        self, env: Environment, servers: int, name: str, processor: Processor | None = None
    ) -> None:
        if servers < 1:
            raise ValueError(f"{name}: servers must be at least 1, got {servers}")
        self.name = name
        self.measures = StationMeasures(env.now)
        self._env = env
        self._servers = servers
        self._processor = processor
        self._busy = 0
        self._changed_s = env.now
        self._queue: deque[tuple[float, float, Done, Any]] = deque()

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Ask for a service of ``needed_s``; ``done(token)`` follows when it is over."""
        self._advance()
        if self._busy < self._servers:
            self._busy += 1
            self.measures.add_customer(0.0)
            self._serve(needed_s, done, token)
        else:
            self._queue.append((self._env.now, needed_s, done, token))

    def snapshot(self) -> StationMeasures:
        """The measures up to now."""
        self._advance()
        return self.measures

    def _serve(self, needed_s: float, done: Done, token: Any) -> None:
        if self._processor is None:
            Timeout(self._env, needed_s, (done, token)).callbacks.append(self._timed_out)
        else:
            self._processor.start(needed_s, self._over, (done, token))

    def _timed_out(self, event: Fired) -> None:
        self._over(event.value)

    def _over(self, served: tuple[Done, Any]) -> None:
        self._advance()
        if self._queue:
            arrived_s, needed_s, done, token = self._queue.popleft()
            self.measures.add_customer(self._env.now - arrived_s)
            self._serve(needed_s, done, token)
        else:
            self._busy -= 1
        served[0](served[1])

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            self.measures.add_time(elapsed, self._busy / self._servers, len(self._queue))
            self._changed_s = now
