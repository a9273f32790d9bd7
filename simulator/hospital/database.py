"""PostgreSQL as its clients see it: connections, processor time, round trips, commits."""

from __future__ import annotations

from typing import Any

from simpy import Environment, Timeout

from simulator.events import Fired
from simulator.hospital.pool import Pool
from simulator.stations import Processor
from simulator.stations.base import Done


class DatabaseServer(Pool[tuple[float, float, float, Done, Any]]):
    """A transaction takes a connection of the pool and keeps it until it has been acknowledged.

    Meanwhile its statements travel (round trips), its commits wait for the log's flush and for the
    standby (delays: PostgreSQL flushes the commits that wait together in one go), and its queries
    run on the machine's processor, which it shares. First come, first served.

    Args:
        env: The simulation.
        connections: Transactions at once: the pools' size, at most the server's limit.
        processor: The machine's.
        name: For the results.
    """

    def __init__(self, env: Environment, connections: int, processor: Processor, name: str) -> None:
        super().__init__(env, connections, "connections", name)
        self._processor = processor

    def request(self, cpu_s: float, delay_s: float, done: Done, token: Any) -> None:
        """Run a transaction: processor time, and waiting for the network and the log."""
        self._advance()
        if self._busy < self._places:
            self._busy += 1
            self.measures.add_customer(0.0)
            self._begin(cpu_s, delay_s, done, token)
        else:
            self._queue.append((self._env.now, cpu_s, delay_s, done, token))

    def _begin(self, cpu_s: float, delay_s: float, done: Done, token: Any) -> None:
        if delay_s > 0.0:
            Timeout(self._env, delay_s, (cpu_s, done, token)).callbacks.append(self._delayed)
        else:
            self._run(cpu_s, done, token)

    def _delayed(self, event: Fired) -> None:
        self._run(*event.value)

    def _run(self, cpu_s: float, done: Done, token: Any) -> None:
        if cpu_s > 0.0:
            self._processor.start(cpu_s, self._over, (done, token))
        else:
            self._over((done, token))

    def _over(self, served: tuple[Done, Any]) -> None:
        self._advance()
        if self._queue:
            arrived_s, *transaction = self._queue.popleft()
            self.measures.add_customer(self._env.now - arrived_s)
            self._begin(*transaction)
        else:
            self._busy -= 1
        served[0](served[1])
