"""One PostgreSQL connection as a failover needs it: tireless to open, quick to be found dead.

psycopg_pool retries a failed connection after 1, 2, 4, 8 … seconds: after an outage of half a
minute it would look up from its sleep up to another half minute late. `FailoverConnection.connect`
therefore does not fail at all: it tries again after about `RECONNECT_DELAY_S` until it succeeds or
its `ConnectGate` is closed, and the pool's own backoff never starts.
"""

import asyncio
import logging
import os
import random
import select
import socket
from contextlib import suppress
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

logger = logging.getLogger(__name__)

RECONNECT_DELAY_S = 0.25
# libpq's and psycopg's smallest; it bounds one attempt at a server that accepts but is frozen.
CONNECT_TIMEOUT_S = 2


class ConnectGate:
    """Shared by all connections of a pool: ends their attempts at shutdown, logs outages once."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._complaint: str | None = None

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._closed.set()

    def failed(self, error: psycopg.Error) -> None:
        complaint = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        if complaint != self._complaint:
            logger.warning("database away: %s", complaint)
        self._complaint = complaint

    def succeeded(self) -> None:
        if self._complaint is not None:
            logger.warning("database back")
        self._complaint = None

    async def pause(self) -> None:
        """Wait about `RECONNECT_DELAY_S` (spread by ±20 %, so that sites don't knock in step)."""
        delay_s = RECONNECT_DELAY_S * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load only
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), delay_s)


class FailoverConnection(AsyncConnection[TupleRow]):
    """An asynchronous connection that keeps trying to open and that can be cut."""

    #: Server WARNINGs since the list was last cleared.
    warnings: list[str]
    #: When it was opened, by the event loop's clock.
    opened_at: float

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Open a connection, trying again until it succeeds.

        Takes the `ConnectGate` as keyword ``gate``. Raises `psycopg.OperationalError` only once
        the gate is closed.
        """
        gate: ConnectGate = kwargs.pop("gate")
        while True:
            try:
                connection = await super().connect(conninfo, **kwargs)
            except psycopg.Error as error:
                if gate.closed:
                    raise
                gate.failed(error)
                await gate.pause()
            else:
                gate.succeeded()
                connection.warnings = []
                connection.opened_at = asyncio.get_running_loop().time()
                connection.add_notice_handler(connection.note_warning)
                return connection

    def note_warning(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")

    def is_quiet(self) -> bool:
        """Whether the idle connection is still usable, as far as this host knows; no round trip.

        An idle server has nothing to say. If the socket is readable it was closed (as HAProxy's
        ``on-marked-down shutdown-sessions`` does), the server announced its shutdown, or its
        parameters were reloaded: in each case a new connection serves better.
        """
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)

    def cut(self) -> None:
        """End the connection now, also in the middle of a statement, whose caller sees it lost.

        Cancelling the caller's task instead would make psycopg send a cancel request and wait up
        to ten seconds for a frozen server. A cancel request would also end the server's wait for
        synchronous replication and leave a commit that only one node has.
        """
        with suppress(OSError, psycopg.Error):
            copy = socket.socket(fileno=os.dup(self.pgconn.socket))
            with copy:
                copy.shutdown(socket.SHUT_RDWR)


def failover_conninfo(
    url: str, *, request_timeout_s: float, application_name: str, accept_standby: bool
) -> str:
    """The libpq connection string with failover defaults; what `url` itself says wins.

    The statement timeout ends on the server what the client has given up on. Times come in UTC
    whatever zone a server was set up in, so that every site answers alike. Keepalives and
    ``tcp_user_timeout`` find a peer that vanished without a word; they can't see a frozen process,
    whose kernel still answers: for that there is `FailoverConnection.cut`.
    """
    timeout_ms = max(1, round(request_timeout_s * 1000))
    defaults: dict[str, str | int] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": timeout_ms,
        "keepalives": 1,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "target_session_attrs": "any" if accept_standby else "primary",
        "options": f"-c statement_timeout={timeout_ms} -c timezone=UTC",
        "application_name": application_name,
    }
    return make_conninfo("", **{**defaults, **conninfo_to_dict(url)})
