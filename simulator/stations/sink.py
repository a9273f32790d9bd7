"""Where customers leave."""

from __future__ import annotations

from typing import Any, Protocol

from simpy import Environment

from simulator.stations.tally import KEPT, Tally


class Entered(Protocol):
    """A customer that knows when it came in, seconds of the simulation's clock."""

    entered_s: float


class Sink:
    """Counts customers and keeps how long they have been inside, seconds."""

    def __init__(self, env: Environment) -> None:
        self.latency_s = Tally()
        self.completed = 0
        self._env = env
        self._kept = self.latency_s.kept

    def enter(self, customer: Entered | Any) -> None:
        """A customer is through."""
        self.completed += 1
        self._kept.append(self._env.now - customer.entered_s)
        if len(self._kept) >= KEPT:
            self.latency_s.fold()
