"""The hospital's database as the routes see it: reads, writes, and three ways to fail.

Reads and writes have lanes (pools) of their own: while synchronous replication stalls, each write
holds its connection until the deadline, and look-ups must go on meanwhile. So do critical alerts,
which never queue behind notes, and what is done in the background (audit, reports).
"""

import asyncio
from typing import Final, Literal

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import PoolClosed, PoolTimeout

from reference_stack.api.connections import FailoverConnection, failover_conninfo
from reference_stack.api.lane import Lane, Operation, Result

# The first try, and one more on a fresh connection.
ATTEMPTS = 2

WriteLane = Literal["write", "urgent", "background"]
#: Connections beside those of ``pool_size``.
URGENT_SIZE: Final = 2
BACKGROUND_SIZE: Final = 2


class DatabaseUnavailableError(Exception):
    """Nothing was stored: no connection in time, or the server refused."""


class DatabaseReadOnlyError(Exception):
    """The server is a standby; nothing was stored."""


class WriteOutcomeUnknownError(Exception):
    """A write was sent, and whether it was stored on every node it must be on isn't known."""


class _AnswerLostError(Exception):
    """A statement was sent and its answer never came."""


class Database:
    """Runs operations on pooled connections, each within a deadline.

    An operation may run twice (when its first connection was lost), so it must be idempotent.
    """

    def __init__(
        self, url: str, *, site: str, pool_size: int, request_timeout_s: float, accept_standby: bool
    ) -> None:
        self._request_timeout_s = request_timeout_s
        self._accept_standby = accept_standby
        write_size = pool_size // 2
        sizes = {
            "read": pool_size - write_size, "write": write_size,
            "urgent": URGENT_SIZE, "background": BACKGROUND_SIZE,
        }  # fmt: skip
        self._lanes = {
            name: Lane(
                name,
                failover_conninfo(
                    url,
                    request_timeout_s=request_timeout_s,
                    application_name=f"prontuario-api-{site}-{name}",
                    accept_standby=accept_standby,
                ),
                size=size,
                drain_interval_s=request_timeout_s,
            )
            for name, size in sizes.items()
        }

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(self._lanes.values())

    async def open(self) -> None:
        """Start connecting; succeeds with the database away."""
        for lane in self.lanes:
            await lane.open()

    async def close(self) -> None:
        await asyncio.gather(*(lane.close() for lane in self.lanes))

    async def read(self, operation: Operation[Result], *, timeout_s: float | None = None) -> Result:
        """Run a reading operation; raises `DatabaseUnavailableError`."""
        try:
            return await self._run(
                self._lanes["read"], operation, timeout_s or self._request_timeout_s
            )
        except _AnswerLostError as error:
            raise DatabaseUnavailableError(str(error)) from error

    async def write(self, operation: Operation[Result], *, lane: WriteLane = "write") -> Result:
        """Run a writing operation and return only if all its commits were fully acknowledged.

        A commit whose wait for synchronous replication was cancelled succeeds with a WARNING
        ("canceling wait for synchronous replication", in the server's language). So any WARNING
        makes the outcome unknown.

        Raises `DatabaseUnavailableError`, `DatabaseReadOnlyError`, `WriteOutcomeUnknownError`.
        """

        async def watched(connection: FailoverConnection) -> Result:
            connection.warnings.clear()
            result = await operation(connection)
            if connection.warnings:
                raise WriteOutcomeUnknownError("; ".join(connection.warnings))
            return result

        try:
            return await self._run(self._lanes[lane], watched, self._request_timeout_s)
        except _AnswerLostError as error:
            raise WriteOutcomeUnknownError(str(error)) from error

    async def _run(self, lane: Lane, operation: Operation[Result], timeout_s: float) -> Result:
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        # A balancer shuts sessions one after another: once one is lost, idle ones that still look
        # alive are next, so the second attempt takes none that is older than the loss.
        lost_at = float("-inf")
        lost: psycopg.Error | None = None
        failure: psycopg.Error | None = None
        for _ in range(ATTEMPTS):
            try:
                connection = await lane.checkout(deadline, opened_after=lost_at)
            except (PoolTimeout, PoolClosed) as error:
                failure = error
                break
            try:
                return await lane.call(connection, operation, deadline)
            except ReadOnlySqlTransaction as error:
                # After a lost first attempt "nothing was stored" would be more than is known.
                if self._accept_standby and lost is None:
                    raise DatabaseReadOnlyError(_first_line(error)) from error
                failure = error
                await connection.close()
            except psycopg.OperationalError as error:
                failure = error
                if not _answer_was_lost(connection, error):
                    break
                lost, lost_at = error, clock()
            finally:
                await lane.give_back(connection)
        if lost is not None:
            raise _AnswerLostError(_first_line(lost)) from lost
        raise DatabaseUnavailableError(_first_line(failure)) from failure


def _answer_was_lost(connection: FailoverConnection, error: psycopg.OperationalError) -> bool:
    """Whether the statement may have been carried out although it failed here.

    A plain server ERROR came before the commit. A closed connection says nothing, nor does a
    FATAL of class 57P (shutdown, crash) or a connection exception (class 08).
    """
    code = error.sqlstate
    return connection.closed or code is None or code.startswith(("57P", "08"))


def _first_line(error: Exception | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)
