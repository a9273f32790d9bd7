"""A delay: as many servers as customers."""

from __future__ import annotations

from typing import Any

from simpy import Environment

from simulator.stations.base import Done, Left
from simulator.stations.station import Server, Station


class Delay(Station):
    """Nobody waits: think times, networks, anything that takes time and is never busy.

    Its ``utilisation`` is the mean number of customers in it. While it is paused, arrivals wait.
    """

    def __init__(self, env: Environment, name: str, *, left: Left | None = None) -> None:
        super().__init__(env, 1, name, left=left)

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Stay for ``needed_s``, then ``done(token)``."""
        if not self._ready and not self.paused:
            self._add_server()
        super().request(needed_s, done, token)

    def set_servers(self, servers: int) -> None:
        """A delay has as many as it needs.

        Raises:
            ValueError: always, once it is built.
        """
        if self._servers:
            raise ValueError(f"{self.name}: a delay has no number of servers to set")
        super().set_servers(servers)

    def _fill(self) -> None:
        while len(self._idle) < len(self._queue):
            self._add_server()
        super()._fill()

    def _add_server(self) -> None:
        server = Server(self._env, self._over)
        self._servers.append(server)
        self._idle.append(server)

    def _reckon(self, now: float) -> None:
        # One server's time, so that the busy share is the number of customers.
        self._open_s += now - self._opened_s
        self._opened_s = now
