"""Rate limits: of guesses at passwords, and of one clinician's requests.

Counts are kept in Redis, so that they hold on both nodes. Each process counts for itself as well
and goes by the larger number: when Redis is away, or forgets, a limit still holds per node. Guesses
are counted in Redis one by one, requests a second's worth at a time (`sessions.Sessions`).

A wrong password counts against the account and against the address it came from; a right one
against neither. All of a hospital may share one address, and 200 users log in within half a
minute: that is no attack. The windows are short on purpose: whoever guesses at a colleague's
password must not keep that colleague from the patients for longer than a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reference_stack.api.cache import opaque
from reference_stack.api.metrics import Metrics
from reference_stack.api.problems import TOO_MANY_ATTEMPTS, TOO_MANY_REQUESTS, ProblemError
from reference_stack.cache.client import CacheAwayError, CacheClient
from reference_stack.cache.connection import RedisConnection, Reply

Clock = Callable[[], float]


@dataclass(frozen=True)
class Limit:
    """At most ``count`` events in a window of ``window_s`` that begins with the first of them."""

    name: str
    count: int
    window_s: int


#: Ten guesses a minute: 5 million a year, against passwords of 80 bits.
ACCOUNT: Final = Limit("login-account", 10, 60)
#: Wrong passwords, of all accounts together, from one address.
ADDRESS: Final = Limit("login-address", 100, 60)
#: Fifty requests a second for ten seconds: no human being, and a fifth of what one worker answers.
REQUESTS: Final = Limit("requests", 500, 10)

#: Lua: count (or, by 0, only look), and start the window with its first event.
COUNT_IN_WINDOW: Final = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    left = tonumber(ARGV[2])
    redis.call('PEXPIRE', KEYS[1], left)
end
"""
# One round trip, which says what the count is and how many milliseconds are left.
COUNT: Final = f"{COUNT_IN_WINDOW}return {{count, left}}"


class LocalCounts:
    """Counts of one process. ``clock`` gives seconds that never go back."""

    #: Beyond this the oldest window is forgotten: a flood of names must not fill the memory.
    MAX_KEYS = 10_000

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, limit: Limit, key: str, by: int) -> tuple[int, float]:
        """Count and return the count and the seconds its window still lasts."""
        now = self._clock()
        ends, count = self._windows.get((limit.name, key), (0.0, 0))
        if now >= ends:
            ends, count = now + limit.window_s, 0
            # Out and in again: the dictionary is in the order in which windows began.
            self._windows.pop((limit.name, key), None)
            if len(self._windows) >= self.MAX_KEYS:
                self._windows.pop(next(iter(self._windows)))
        count += by
        self._windows[limit.name, key] = (ends, count)
        return count, ends - now

    def at_least(self, limit: Limit, key: str, count: int, left_s: float) -> None:
        """Raise a count to what others have counted, in their window."""
        ends, here = self._windows.get((limit.name, key), (0.0, 0))
        now = self._clock()
        if now >= ends or count > here:
            self._windows[limit.name, key] = (now + left_s, count)

    def __len__(self) -> int:
        return len(self._windows)


def counted(reply: Reply) -> tuple[int, float]:
    """Count and seconds left, as ``COUNT`` answers them."""
    if not isinstance(reply, list):
        return 0, 0.0
    count, left_ms = (int(item) if isinstance(item, int) else 0 for item in reply)
    return count, left_ms / 1000


class RateLimits:
    """The limits of one API process."""

    def __init__(
        self, cache: CacheClient, metrics: Metrics, secret: str, local: LocalCounts | None = None
    ) -> None:
        self._cache = cache
        self._metrics = metrics
        self._secret = secret
        self._local = local or LocalCounts()

    async def begin_login(self, username: str, address: str) -> LoginAttempt:
        """Count an attempt before its password is looked at.

        Raises `ProblemError` (429) when the account or the address has used up its guesses.
        """
        await self.check_address(address)
        count, left_s = await self.add(ACCOUNT, username, 1)
        if count > ACCOUNT.count:
            raise self._refusal(ACCOUNT, left_s)
        return LoginAttempt(self, username, address)

    async def check_address(self, address: str) -> None:
        """Raises `ProblemError` (429) when too many wrong log-ins came from this address."""
        count, left_s = await self.add(ADDRESS, address, 0)
        if count >= ADDRESS.count:
            raise self._refusal(ADDRESS, left_s)

    async def face_was_wrong(self, address: str) -> None:
        """Count a picture that logged nobody in against the address it came from."""
        await self.add(ADDRESS, address, 1)

    def count_request(self, clinician: str) -> None:
        """Count a clinician's request; raises `ProblemError` (429) beyond ``REQUESTS``."""
        count, left_s = self._local.add(REQUESTS, clinician, 1)
        if count > REQUESTS.count:
            raise self._refusal(REQUESTS, left_s)

    def learn(self, clinician: str, count: int, left_s: float) -> None:
        """Take over what all nodes together have counted of a clinician's requests."""
        self._local.at_least(REQUESTS, clinician, count, left_s)

    async def add(self, limit: Limit, key: str, by: int) -> tuple[int, float]:
        """Count; returns the count and the seconds its window still lasts."""
        name = f"limit:{limit.name}:{opaque(self._secret, key)}"

        def count(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("EVAL", COUNT, 1, name, by, limit.window_s * 1000)

        here = self._local.add(limit, key, by)
        try:
            return max(here, counted(await self._cache.ask(count)))
        except CacheAwayError:
            return here

    def _refusal(self, limit: Limit, left_s: float) -> ProblemError:
        self._metrics.limited(limit.name)
        kind = TOO_MANY_REQUESTS if limit is REQUESTS else TOO_MANY_ATTEMPTS
        return ProblemError(kind, retry_after_s=max(1, round(left_s + 0.5)))


class LoginAttempt:
    """One attempt that was counted in advance, so that many at once can't slip through."""

    def __init__(self, limits: RateLimits, username: str, address: str) -> None:
        self._limits = limits
        self._username = username
        self._address = address

    async def was_wrong(self) -> None:
        """The password was wrong: the attempt stays counted, against the address too."""
        await self._limits.add(ADDRESS, self._address, 1)

    async def take_back(self) -> None:
        """The password was right, or nobody could look at it: the attempt does not count."""
        await self._limits.add(ACCOUNT, self._username, -1)
