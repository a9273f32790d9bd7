"""Redis as a service may use it: at most a moment's wait, and then as if it did not exist.

`CacheClient` keeps looking for the master in the background. A request never does: it finds a
connection to the master known last, or `CacheAwayError` at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from reference_stack.cache.breaker import Breaker
from reference_stack.cache.connection import RedisConnection, RedisReplyError
from reference_stack.cache.settings import CacheSettings

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Operation = Callable[[RedisConnection], Awaitable[Result]]
Address = tuple[str, int]

FAILURES: Final = (OSError, TimeoutError, RedisReplyError)
_SENTINEL_TIMEOUT_S = 0.5
_PROBE_TIMEOUT_S = 0.5
_LONGEST_PROBE_INTERVAL_S = 2.0
#: Errors by which a server says that it is no master, or not yet or no longer of use.
_UNFIT = ("READONLY", "LOADING", "MASTERDOWN", "NOAUTH")


class CacheAwayError(Exception):
    """Redis can't be asked now, or did not answer in time; the caller goes on without it."""


class CacheClient:
    """Calls the master of a Redis under Sentinel, each call bounded, all behind one breaker.

    Without settings it is a client of nothing, for a site that has no cache: always away.
    """

    def __init__(self, settings: CacheSettings | None) -> None:
        self._settings = settings
        self.breaker = Breaker(settings.failures_to_open if settings else 1)
        self._master: RedisConnection | None = None
        self._address: Address | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._trouble = asyncio.Event()

    @property
    def master(self) -> Address | None:
        """Host and port of the master known last."""
        return self._address

    @property
    def is_configured(self) -> bool:
        """Whether there is a cache at all."""
        return self._settings is not None

    async def start(self) -> None:
        """Start looking for the master; returns at once, also while there is none."""
        if self._settings is not None:
            self._watcher = asyncio.create_task(self._watch(self._settings), name="cache-watch")

    async def close(self) -> None:
        """Close the connection."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        self.breaker.open()
        if self._master is not None:
            self._master.abort()

    async def ask(self, operation: Operation[Result]) -> Result:
        """Run an operation on the master within the call's time.

        Raises:
            CacheAwayError: at once while the breaker is open, else after at most
                ``call_timeout_s``.
        """
        master, settings = self._master, self._settings
        if master is None or settings is None or not self.breaker.is_closed:
            raise CacheAwayError
        try:
            async with asyncio.timeout(settings.call_timeout_s):
                result = await operation(master)
        except FAILURES as error:
            self._note_failure(master, error)
            raise CacheAwayError from error
        self.breaker.succeeded()
        return result

    def _note_failure(self, master: RedisConnection, error: Exception) -> None:
        if master is not self._master or not self.breaker.is_closed:
            return  # Settled while this call waited.
        if isinstance(error, RedisReplyError) and not str(error).startswith(_UNFIT):
            logger.error("cache: %s", error)
        if self.breaker.failed() or str(error).startswith(_UNFIT):
            self._give_up(master, f"{type(error).__name__}: {error}")

    def _give_up(self, master: RedisConnection, reason: str) -> None:
        if master is self._master:
            if self.breaker.is_closed:
                logger.warning("cache away: %s", reason)
            self._master = None
            self.breaker.open()
            self._trouble.set()
        master.abort()

    async def _watch(self, settings: CacheSettings) -> None:
        pause_s = settings.probe_interval_s
        while True:
            self._trouble.clear()
            await self._look(settings)
            if self.breaker.is_closed:
                pause_s = settings.probe_interval_s
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._trouble.wait(), settings.watch_interval_s)
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PROBE_INTERVAL_S)

    async def _look(self, settings: CacheSettings) -> None:
        """Find the master; take it when it answers as one."""
        known = [self._address] if self._address is not None else []
        for address in await _named_masters(settings) or known:
            if address == self._address and self.breaker.is_closed:
                return
            if await self._take(address, settings):
                return

    async def _take(self, address: Address, settings: CacheSettings) -> bool:
        connection: RedisConnection | None = None

        def lost() -> None:
            if connection is not None:
                self._give_up(connection, "the connection was lost")

        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                connection = await RedisConnection.open(*address, settings.password, lost)
                role = await connection.call("ROLE")
        except FAILURES:
            role = None
        if connection is None or not isinstance(role, list) or role[0] != b"master":
            if connection is not None:
                connection.abort()
            return False
        former, self._master = self._master, connection
        self._address = address
        self.breaker.close()
        logger.info("cache: the master is %s:%s", *address)
        if former is not None:
            former.abort()
        return True


async def _named_masters(settings: CacheSettings) -> list[Address]:
    """The masters that sentinels name, the one most of them agree on first."""
    answers = await asyncio.gather(
        *(_ask_sentinel(sentinel.host, sentinel.port, settings) for sentinel in settings.sentinels)
    )
    votes = Counter(answer for answer in answers if answer is not None)
    return [address for address, _ in votes.most_common()]


async def _ask_sentinel(host: str, port: int, settings: CacheSettings) -> Address | None:
    try:
        async with asyncio.timeout(_SENTINEL_TIMEOUT_S):
            sentinel = await RedisConnection.open(host, port, settings.password)
            try:
                found = await sentinel.call(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", settings.master_name
                )
            finally:
                sentinel.abort()
    except FAILURES:
        return None
    if not isinstance(found, list):
        return None
    name, number = found
    return (
        (name.decode(), int(number))
        if isinstance(name, bytes) and isinstance(number, bytes)
        else None
    )
