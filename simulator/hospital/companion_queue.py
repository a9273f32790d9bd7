"""The queue before a companion model."""

from __future__ import annotations

from simpy import Environment

from simulator.hospital.pool import Pool
from simulator.hospital.requests import Attempt
from simulator.stations import Processor
from simulator.stations.base import Done


class CompanionQueue(Pool[tuple[float, float, Done, Attempt]]):
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
        super().__init__(env, workers, "workers", name)
        self._device = device

    def request(self, needed_s: float, done: Done, attempt: Attempt) -> None:
        """Ask for work; ``done(attempt)`` follows unless the client leaves before it begins."""
        self._advance()
        if self._busy < self._places:
            self._busy += 1
            self.measures.add_customer(0.0)
            self._device.start(needed_s, self._over, (done, attempt))
        else:
            self._queue.append((self._env.now, needed_s, done, attempt))

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
