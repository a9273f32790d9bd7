"""Sessions: who logged out, and who was last seen when.

A token is good by its signature until it runs out, so nobody is logged out by the loss of Redis.
That a token was *revoked* is a promise which may not be lost: it is a row in PostgreSQL, written
before the log-out is acknowledged and replicated like a note. Every API process holds all of the
revoked tokens that have not run out (a few hundred at most) and reads them again every
`REFRESH_S`: so long the other node may still let a revoked token in. Redis is never asked whether
a token is good: no failure of it, and nothing it forgets, lets anybody back in. Until a process
has read the table once it answers 503, since it can't know.

A token tells the role, and how many changes its clinician's account had seen. The same reading
brings every account that was ever changed, with its count: a token that knows of fewer is refused,
so a role that was taken away, or an account that was closed, ends with the next reading. Counts
need no clock: a log-in that was under way during the change is refused too.

While the database is away nobody can log out (503) or be changed, so the list held is the whole
truth of the hospital. At the emergency site it is as old as the standby's last word from there.

*Last seen* is Redis's alone: it is lost with it, and there again with each session's next request.
Requests do not wait for it: what they told is passed on once a second, together with their number,
for the rate limit that both nodes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, LiteralString
from uuid import UUID

from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import Database, DatabaseUnavailableError
from reference_stack.api.limits import COUNT_IN_WINDOW, REQUESTS, RateLimits, counted
from reference_stack.api.metrics import Metrics
from reference_stack.api.models import Session
from reference_stack.api.problems import NOT_AUTHENTICATED, ProblemError
from reference_stack.api.tokens import CLOCK_LEEWAY_S, Token
from reference_stack.cache.client import CacheAwayError, CacheClient
from reference_stack.cache.connection import RedisConnection, Reply

logger = logging.getLogger(__name__)

REFRESH_S: Final = 1.0
#: Between two times that sessions seen are passed on to Redis.
SHARE_S: Final = 1.0
#: Sessions passed on at once; more are dropped, since a cache may forget.
MAX_SHARED: Final = 2000
#: How long a request waits for the first reading of the table when a process has just started.
FIRST_READING_S: Final = 1.0
#: A log-out this process knows of stays known for so long, whatever a reading that began before
#: it may say.
RECENT_S: Final = 60.0
#: Sessions of one clinician that are remembered.
MAX_SESSIONS: Final = 20

# The row is written again on a repeated log-out: its commit waits for the standby like the first.
# Rows of tokens that ran out an hour ago go with it, so that the table stays small.
REVOKE = """
WITH gone AS (DELETE FROM revoked_token WHERE expires_at < now() - interval '1 hour')
INSERT INTO revoked_token (id, clinician_id, expires_at) VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE SET expires_at = EXCLUDED.expires_at
"""
# Both in one round trip: tokens without a number, accounts with their count of changes.
SELECT_REFUSED = """
SELECT id, NULL::integer FROM revoked_token WHERE expires_at > now() - interval '1 minute'
UNION ALL
SELECT id, version FROM clinician WHERE version > 0
"""

# Count a session's requests of the last second, and note when it was seen.
SHARE: Final = f"""{COUNT_IN_WINDOW}
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[5]))
redis.call('EXPIRE', KEYS[2], ARGV[6])
return {{count, left}}
"""


@dataclass
class _Seen:
    """A session's requests since they were last passed on."""

    token: Token
    requests: int
    last_s: float


class Sessions:
    """What one API process knows of sessions."""

    def __init__(
        self, database: Database, cache: CacheClient, limits: RateLimits, metrics: Metrics
    ) -> None:
        self._database = database
        self._cache = cache
        self._limits = limits
        self._metrics = metrics
        self._revoked: set[UUID] = set()
        self._recent: dict[UUID, float] = {}
        self._versions: dict[UUID, int] = {}
        self._known = asyncio.Event()
        self._seen: dict[UUID, _Seen] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start reading the revoked tokens and sharing what was seen; returns at once."""
        self._tasks = [asyncio.create_task(self._keep_reading(), name="revoked-tokens")]
        if self._cache.is_configured:
            self._tasks.append(asyncio.create_task(self._keep_sharing(), name="sessions-seen"))

    async def close(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def admit(self, token: Token, *, unlimited: bool = False) -> None:
        """Let a request with a valid token in; ``unlimited`` ones are counted for nobody.

        Raises:
            ProblemError: 401 when the token was revoked or its account has changed, 429 beyond the
                clinician's rate.
            DatabaseUnavailableError: when nobody could tell yet whether it was.
        """
        await self._demand_knowledge()
        if (reason := self._refused(token)) is not None:
            raise ProblemError(NOT_AUTHENTICATED, reason)
        if unlimited:
            return
        self._limits.count_request(str(token.clinician.id))
        seen = self._seen.get(token.id)
        if seen is not None:
            seen.requests, seen.last_s = seen.requests + 1, time.time()
        elif self._cache.is_configured and len(self._seen) < MAX_SHARED:
            self._seen[token.id] = _Seen(token, 1, time.time())

    async def ended(self, token: Token) -> None:
        """Wait until the session is logged out, its account changed, or its token has run out."""
        while self._refused(token) is None and datetime.now(UTC) < token.expires_at:  # noqa: ASYNC110
            await asyncio.sleep(REFRESH_S)

    def _refused(self, token: Token) -> str | None:
        """Why the token is no longer good, if it isn't."""
        if token.id in self._revoked:
            return "this session was logged out"
        clinician = token.clinician
        if clinician.version < self._versions.get(clinician.id, 0):
            return "the account has changed since: log in again"
        return None

    async def revoke(self, token: Token) -> None:
        """End a session for good, on every site; raises what a write of the database raises."""
        await self._database.write(
            lambda connection: _execute(
                connection, REVOKE, (token.id, token.clinician.id, token.expires_at)
            )
        )
        self._revoked.add(token.id)
        self._recent[token.id] = time.monotonic()
        self._seen.pop(token.id, None)

        def forget(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("ZREM", _sessions_key(token), str(token.id))

        with contextlib.suppress(CacheAwayError):
            await self._cache.ask(forget)

    async def of(self, token: Token) -> list[Session]:
        """The clinician's sessions that Redis has seen, the latest first; at least this one."""

        def ask(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("ZREVRANGE", _sessions_key(token), 0, -1, "WITHSCORES")

        try:
            seen = _last_seen(await self._cache.ask(ask))
        except CacheAwayError:
            seen = {}
        sessions = [
            Session(id=key, last_seen=datetime.fromtimestamp(at, UTC), current=key == token.id)
            for key, at in seen.items()
        ]
        return sessions if token.id in seen else [Session(id=token.id, current=True), *sessions]

    async def _demand_knowledge(self) -> None:
        if self._known.is_set():
            return
        try:
            async with asyncio.timeout(FIRST_READING_S):
                await self._known.wait()
        except TimeoutError as error:
            raise DatabaseUnavailableError(
                "the list of sessions that were logged out has not been read yet"
            ) from error

    async def _keep_reading(self) -> None:
        while True:
            try:
                rows = await self._database.read(_select_refused)
            except DatabaseUnavailableError:
                pass
            except Exception:
                # Nothing above could catch it, and a process that no longer reads the tables would
                # let log-outs of the other node pass for good.
                logger.exception("cannot read which tokens are refused")
            else:
                self._recent = {
                    key: at for key, at in self._recent.items() if time.monotonic() - at < RECENT_S
                }
                revoked = {key for key, version in rows if version is None}
                self._revoked = revoked | self._recent.keys()
                # Replaced, not merged: what a failover may have lost must not lock anybody out.
                self._versions = {key: version for key, version in rows if version is not None}
                self._known.set()
                self._metrics.revocations(len(self._revoked), time.time())
            await asyncio.sleep(REFRESH_S)

    async def _keep_sharing(self) -> None:
        while True:
            await asyncio.sleep(SHARE_S)
            seen, self._seen = list(self._seen.values()), {}

            async def share(
                redis: RedisConnection, seen: list[_Seen] = seen
            ) -> list[tuple[_Seen, Reply]]:
                replies = await asyncio.gather(*(_share(redis, one) for one in seen))
                return list(zip(seen, replies, strict=True))

            if not seen:
                continue
            with contextlib.suppress(CacheAwayError):
                for one, reply in await self._cache.ask(share):
                    self._limits.learn(str(one.token.clinician.id), *counted(reply))


def _sessions_key(token: Token) -> str:
    return f"sessions:{token.clinician.id}"


def _share(redis: RedisConnection, seen: _Seen) -> asyncio.Future[Reply]:
    token = seen.token
    left_s = (token.expires_at - datetime.now(UTC)).total_seconds() + CLOCK_LEEWAY_S
    return redis.call(
        *("EVAL", SHARE, 2),
        *(f"limit:{REQUESTS.name}:{token.clinician.id}", _sessions_key(token)),
        *(seen.requests, REQUESTS.window_s * 1000, seen.last_s, str(token.id)),
        *(MAX_SESSIONS, max(1, round(left_s))),
    )


def _last_seen(reply: Reply) -> dict[UUID, float]:
    """Sessions and Unix times from a sorted set's members and scores, which take turns."""
    items = reply if isinstance(reply, list) else []
    words = [item.decode() for item in items if isinstance(item, bytes)]
    return {UUID(name): float(at) for name, at in zip(words[::2], words[1::2], strict=True)}


async def _select_refused(connection: FailoverConnection) -> list[tuple[UUID, int | None]]:
    cursor = await connection.execute(SELECT_REFUSED)
    return await cursor.fetchall()


async def _execute(
    connection: FailoverConnection, statement: LiteralString, parameters: tuple[object, ...]
) -> None:
    await connection.execute(statement, parameters)
