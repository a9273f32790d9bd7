"""What stations of the hospital with places and one queue share: their measures."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from simpy import Environment

from simulator.measures import StationMeasures

Waiting = TypeVar("Waiting")


class Pool(Generic[Waiting]):
    """So many places, taken and given back, and a queue before them; first come, first served.

    Args:
        env: The simulation.
        places: How many can be inside at once.
        what: What a place is, for the error.
        name: For the results.
    """

    def __init__(self, env: Environment, places: int, what: str, name: str) -> None:
        if places < 1:
            raise ValueError(f"{name}: {what} must be at least 1, got {places}")
        self.name = name
        self.measures = StationMeasures(env.now)
        self._env = env
        self._places = places
        self._busy = 0
        self._changed_s = env.now
        self._queue: deque[Waiting] = deque()

    def snapshot(self) -> StationMeasures:
        """The measures up to now: places in use, and who waits, also those who no longer care."""
        self._advance()
        return self.measures

    def _advance(self) -> None:
        """Account for the time since the last change; called before every one."""
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            self.measures.add_time(elapsed, self._busy / self._places, len(self._queue))
            self._changed_s = now
