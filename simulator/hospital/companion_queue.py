"""The queue before a companion model."""

from __future__ import annotations

from collections import deque

from simpy import Environment

from simulator.hospital.requests import Attempt
from simulator.measures import StationMeasures
from simulator.stations import Processor
from simulator.stations.base import Done


class CompanionQueue:
    """First come, first served by a number of workers on a shared device.

    A request whose client has given up while it waited is passed over; one that is being worked on
    is finished, as a model's call can't be called back.

    Args:
        env: The simulation.
        workers: Requests worked on at once.
        device: Accelerator or processor that does the work.
        name: For the results.
    """

    def __init__(self, env: Environment, workers: int, device: Processor, name: str) -> None:
        if workers < 1:
            raise ValueError(f"{name}: workers must be at least 1, got {workers}")
        self.name = name
        self.measures = StationMeasures(env.now)
        self._env = env
        self._workers = workers
        self._device = device
        self._busy = 0
        self._changed_s = env.now
        self._queue: deque[tuple[float, float, Done, Attempt]] = deque()

    def request(self, needed_s: float, done: Done, attempt: Attempt) -> None:
        """Ask for work; ``done(attempt)`` follows unless the client leaves before it begins."""
        self._advance()
        if self._busy < self._workers:
            self._busy += 1
            self.measures.add_customer(0.0)
            self._device.start(needed_s, self._over, (done, attempt))
        else:
            self._queue.append((self._env.now, needed_s, done, attempt))

    def snapshot(self) -> StationMeasures:
        """The measures up to now; the queue counts those too whose clients have left."""
        self._advance()
        return self.measures

    def _over(self, served: tuple[Done, Attempt]) -> None:
        self._advance()
        while self._queue:
            arrived_s, needed_s, done, attempt = self._queue.popleft()
            if attempt.open:
                self.measures.add_customer(self._env.now - arrived_s)
                self._device.start(needed_s, self._over, (done, attempt))
                break
        else:
            self._busy -= 1
        served[0](served[1])

    def _advance(self) -> None:
        now = self._env.now
        elapsed = now - self._changed_s
        if elapsed > 0.0:
            self.measures.add_time(elapsed, self._busy / self._workers, len(self._queue))
            self._changed_s = now
