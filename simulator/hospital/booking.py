"""Stations whose customers never leave early: when each is served is known on arrival."""

from __future__ import annotations

from heapq import heapreplace

from simpy import Environment

from simulator.measures import StationMeasures


class BookedStation:
    """First come, first served by a number of like servers, without an event of its own.

    A customer who arrives at time t and needs s leaves at ``max(t, earliest free server) + s``
    (Lindley's recursion for several servers, Kiefer & Wolfowitz 1955). The caller waits for it in
    the same event as for whatever follows: several times cheaper than a station with events.
    """

    def __init__(self, env: Environment, servers: int, name: str) -> None:
        if servers < 1:
            raise ValueError(f"{name}: servers must be at least 1, got {servers}")
        self.name = name
        self.measures = StationMeasures(env.now)
        self._env = env
        self._free_s = [env.now] * servers

    def book(self, needed_s: float) -> float:
        """Seconds from now until a service of ``needed_s`` that is asked for now will be over."""
        now = self._env.now
        free_s = self._free_s[0]
        waited_s = free_s - now if free_s > now else 0.0
        heapreplace(self._free_s, now + waited_s + needed_s)
        measures = self.measures
        measures.add_customer(waited_s)
        measures.busy_s += needed_s / len(self._free_s)
        measures.queue_s += waited_s
        return waited_s + needed_s

    def snapshot(self) -> StationMeasures:
        """The measures up to now; work that is booked counts when it is booked."""
        self.measures.elapsed_s = self._env.now - self.measures.since_s
        return self.measures
