"""Several like servers before one queue."""

from __future__ import annotations

from collections import deque
from typing import Any

from simpy import Environment

from simulator.events import NORMAL, Timer
from simulator.measures import StationMeasures
from simulator.stations.base import Balks, Component, Done, Left, Queue, Ticket
from simulator.stations.processor import Processor, Work


class Server(Timer):
    """One server: a timer that is set for each service, and the customer it serves."""

    # When the service began, on a processor.
    began_s: float
    # When the service is over, to the last bit what the clock will say; unknown on a processor.
    ends_s: float
    done: Done
    token: Any
    work: Work | None = None


class Station(Component):
    """Servers before one queue, first come, first served unless ``queue`` says otherwise.

    The servers' work takes its time by itself, or runs on a shared :class:`Processor`: a server is
    then a thread, and the processor says how fast it goes.

    A service's time is added up when it begins (on a processor, where it is not known, when it
    ends), a wait when it ends; a snapshot corrects both for those who are inside. So nothing is
    integrated at events.

    Args:
        env: The simulation.
        servers: How many; at least 1.
        name: For the results.
        processor: What the servers' work runs on; None when it takes its time by itself.
        capacity: Customers inside at most, those in service too; one more is blocked.
        queue: The order of service.
        balks: Whether an arrival that finds so many waiting goes away at once.
        left: Told of every customer who goes without having been served.

    Raises:
        ValueError: when ``servers`` is under 1 or above ``capacity``.
    """

    def __init__(
        self, env: Environment, servers: int, name: str, processor: Processor | None = None, *,
        capacity: int | None = None, queue: Queue | None = None, balks: Balks | None = None,
        left: Left | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, env.now, left)
        self._env = env
        self._schedule = env.schedule
        self._processor = processor
        self._capacity = capacity
        self._queue: Queue = deque() if queue is None else queue
        self._balks = balks
        self._limited = capacity is not None or balks is not None
        self._servers: list[Server] = []
        self._idle: list[Server] = []
        # The idle servers while the station is open, nobody while it is paused.
        self._ready = self._idle
        self._surplus = 0
        # Sums of times that have ended, and the sums at the last snapshot.
        self._busy_s = self._waited_s = self._waited_in_vain_s = self._open_s = 0.0
        self._opened_s = env.now
        self._reported = (0.0, 0.0, 0.0, 0.0, 0)
        self.set_servers(servers)

    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Ask for a service of ``needed_s``; ``done(token)`` follows when it is over."""
        self.arrived += 1
        if self._ready:
            server = self._ready.pop()
            server.done = done
            server.token = token
            if self._processor is None:
                self._busy_s += needed_s
                server.ends_s = self._env.now + needed_s
                server.callbacks = server.fired
                self._schedule(server, NORMAL, needed_s)
            else:
                server.began_s = self._env.now
                server.work = self._processor.start(needed_s, self._over_shared, server)
        elif self._limited and self._turned_away(token):
            return
        else:
            self._queue.append((self._env.now, needed_s, done, token))

    @property
    def servers(self) -> int:
        """How many there are, without those that leave when their service is over."""
        return len(self._servers) - self._surplus

    @property
    def waiting(self) -> int:
        """Customers in the queue."""
        return len(self._queue)

    @property
    def inside(self) -> int:
        """Customers waiting or in service."""
        return len(self._servers) - len(self._idle) + len(self._queue)

    def snapshot(self) -> StationMeasures:
        """The measures up to now; may be reset at this very moment, and only then.

        The utilisation is the share of the servers' time that was busy; a paused server's time
        counts as idle.
        """
        now = self._env.now
        self._reckon(now)
        busy = self._busy()
        busy_s = self._busy_s + (
            sum(now - server.began_s for server in busy)
            if self._processor is not None
            else sum(now - server.ends_s for server in busy)
        )
        queue_s = self._waited_s + self._waited_in_vain_s + sum(now - t[0] for t in self._queue)
        begun = self.completed + len(busy)
        totals = (busy_s, queue_s, self._open_s, self._waited_s, begun)
        busy_s, queue_s, open_s, waited_s, customers = (
            total - before for total, before in zip(totals, self._reported, strict=True)
        )
        self._reported = totals
        self.measures.add_totals(
            until_s=now, busy_s=busy_s, server_s=open_s, queue_s=queue_s, waited_s=waited_s,
            customers=int(customers),
        )  # fmt: skip
        return self.measures

    @property
    def paused(self) -> bool:
        """Whether nobody is served."""
        return self._ready is not self._idle

    def pause(self) -> None:
        """Stop serving. Work under way goes back to the head of the queue with what is left."""
        if self.paused:
            return
        busy = self._busy()
        for server in reversed(busy):
            self._idle.append(self._interrupt(server))
        self._reckon(self._env.now)
        self._retire_idle()
        self._ready = []

    def resume(self) -> None:
        """Serve again; interrupted work goes on first, where it stood."""
        self._ready = self._idle
        self._fill()

    def set_servers(self, servers: int) -> None:
        """Have so many servers from now on; those too many go when their service is over.

        Raises:
            ValueError: when there would be fewer than one, or more than the capacity.
        """
        if servers < 1:
            raise ValueError(f"{self.name}: servers must be at least 1, got {servers}")
        if self._capacity is not None and servers > self._capacity:
            raise ValueError(
                f"{self.name}: {servers} servers exceed the capacity of {self._capacity}"
            )
        self._reckon(self._env.now)
        while self.servers < servers:
            if self._surplus:
                self._surplus -= 1
            else:
                server = Server(self._env, self._over)
                self._servers.append(server)
                self._idle.append(server)
        self._surplus += self.servers - servers
        self._retire_idle()
        self._fill()

    def crash(self) -> None:
        """Lose everybody inside, and serve nobody until :meth:`resume`."""
        self.pause()
        now = self._env.now
        inside = list(self._queue)
        self._queue.clear()
        for began_s, _, _, token in inside:
            self._waited_in_vain_s += now - began_s
            self._leaves(token, "lost")

    def gave_up(self, ticket: Ticket) -> None:
        """A queue tells that this customer's patience has ended and it has left the queue."""
        self._waited_in_vain_s += self._env.now - ticket[0]
        self._leaves(ticket[3], "reneged")

    def _over(self, server: Server) -> None:
        # What the environment would say, too; this is quicker.
        now = server.ends_s
        self.completed += 1
        done = server.done
        token = server.token
        if self._queue and not self._surplus:
            began_s, needed_s, server.done, server.token = self._queue.popleft()
            self._waited_s += now - began_s
            if self._processor is None:
                self._busy_s += needed_s
                server.ends_s = now + needed_s
                server.callbacks = server.fired
                self._schedule(server, NORMAL, needed_s)
            else:
                server.began_s = now
                server.work = self._processor.start(needed_s, self._over_shared, server)
        else:
            self._idle.append(server)
            if self._surplus:
                self._reckon(now)
                self._retire_idle()
        done(token)

    def _over_shared(self, server: Server) -> None:
        server.ends_s = now = self._env.now
        self._busy_s += now - server.began_s
        self._over(server)

    def _begin(self, server: Server, ticket: Ticket) -> None:
        now = self._env.now
        began_s, needed_s, server.done, server.token = ticket
        self._waited_s += now - began_s
        if self._processor is None:
            self._busy_s += needed_s
            server.ends_s = now + needed_s
            server.arm(needed_s)
        else:
            server.began_s = now
            server.work = self._processor.start(needed_s, self._over_shared, server)

    def _fill(self) -> None:
        while self._ready and self._queue:
            self._begin(self._ready.pop(), self._queue.popleft())

    def _busy(self) -> list[Server]:
        free = {id(server) for server in self._idle}
        return [server for server in self._servers if id(server) not in free]

    def _interrupt(self, server: Server) -> Server:
        """Put the customer of ``server`` back into the queue; returns a free server instead."""
        now = self._env.now
        if server.work is None or self._processor is None:
            left_s = max(server.ends_s - now, 0.0)
            self._busy_s -= left_s
            server.disarm()
        else:
            self._busy_s += now - server.began_s
            left_s = self._processor.withdraw(server.work)
        self._queue.appendleft((now, left_s, server.done, server.token))
        fresh = Server(self._env, self._over)
        self._servers[self._servers.index(server)] = fresh
        return fresh

    def _retire_idle(self) -> None:
        while self._surplus and self._idle:
            self._servers.remove(self._idle.pop())
            self._surplus -= 1

    def _turned_away(self, token: Any) -> bool:
        if self._capacity is not None and self.inside >= self._capacity:
            self._leaves(token, "blocked")
            return True
        if self._balks is not None and self._balks(len(self._queue)):
            self._leaves(token, "balked")
            return True
        return False

    def _reckon(self, now: float) -> None:
        """Add the servers' time up to now, before their number changes."""
        self._open_s += (now - self._opened_s) * len(self._servers)
        self._opened_s = now
