"""A lane: a fixed number of pooled connections for one kind of work (reads, or writes)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from reference_stack.api.connections import ConnectGate, FailoverConnection

Result = TypeVar("Result")
Operation = Callable[[FailoverConnection], Awaitable[Result]]

# The lane logs outages once; the pool would log one line a connection and attempt.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Lane:
    """A pool whose dead connections are replaced on sight. Times are of the event loop's clock."""

    def __init__(self, name: str, conninfo: str, *, size: int, drain_interval_s: float) -> None:
        self.name = name
        self._gate = ConnectGate()
        self._drain_interval_s = drain_interval_s
        self._drained_at = float("-inf")
        self._pool: AsyncConnectionPool[FailoverConnection] = AsyncConnectionPool(
            conninfo,
            connection_class=FailoverConnection,
            # One statement is one transaction: no BEGIN and COMMIT round trips.
            kwargs={"autocommit": True, "gate": self._gate},
            min_size=size,
            max_size=size,
            name=name,
            open=False,
        )

    async def open(self) -> None:
        """Start connecting in the background; returns at once, whether or not a server is there."""
        await self._pool.open()

    async def close(self) -> None:
        self._gate.close()
        await self._pool.close()

    async def checkout(
        self, deadline: float, *, opened_after: float = float("-inf")
    ) -> FailoverConnection:
        """A connection that looks alive; raises `PoolTimeout` or `PoolClosed`.

        Older ones than `opened_after` are replaced however they look.

        The pool's own ``check`` is not used: after each dead connection it sleeps 0, 1, 2, 4 …
        seconds, and after a failover all of them are dead.
        """
        loop = asyncio.get_running_loop()
        while True:
            remaining_s = deadline - loop.time()
            if remaining_s <= 0:
                raise PoolTimeout(f"no {self.name} connection in time")
            connection = await self._pool.getconn(timeout=remaining_s)
            if connection.opened_at > opened_after and connection.is_quiet():
                return connection
            await self.discard(connection)

    async def discard(self, connection: FailoverConnection) -> None:
        """Close a connection and have it replaced."""
        await connection.close()
        await self._pool.putconn(connection)

    async def give_back(self, connection: FailoverConnection) -> None:
        await self._pool.putconn(connection)

    async def call(
        self, connection: FailoverConnection, operation: Operation[Result], deadline: float
    ) -> Result:
        """Run `operation`; at the deadline the connection is cut and psycopg's error surfaces."""
        loop = asyncio.get_running_loop()
        watchdog = loop.call_at(deadline, connection.cut)
        try:
            return await operation(connection)
        finally:
            watchdog.cancel()
            if loop.time() >= deadline:
                await self._drain()

    async def _drain(self) -> None:
        """Replace all connections after one fell silent: they may lead to the same frozen server.

        At most once per interval, since a merely slow server should not be burdened further.
        """
        now = asyncio.get_running_loop().time()
        if now - self._drained_at >= self._drain_interval_s:
            self._drained_at = now
            await self._pool.drain()

    def statistics(self) -> dict[str, int]:
        """psycopg_pool's statistics: ``pool_size``, ``pool_available``, ``requests_waiting`` …"""
        return self._pool.get_stats()
