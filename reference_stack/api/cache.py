"""A short-lived cache of patient look-ups.

What is cached are answers to ``GET /v1/patients`` and ``GET /v1/patients/{id}``, as bytes, for
`LOOKUP_TTL_S`. A route that changes a patient must call `LookupCache.forget`; age is then the only
way an answer can be wrong. Notes are never cached: a clinician must see the
note a colleague wrote a second ago.

An answer belongs to the role it was given to: another role's key is another key. Keys are keyed
hashes, since what clinicians type are patients' names.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from reference_stack.api.metrics import Metrics
from reference_stack.cache.client import CacheAwayError, CacheClient
from reference_stack.cache.connection import RedisConnection, Reply

#: Long enough for a second look at the same patient, short enough that nobody acts on the past.
LOOKUP_TTL_S: Final = 10
#: An answer larger than this is not worth its place.
MAX_ENTRY_BYTES: Final = 64 * 1024
# Answers on their way to Redis at most; more are dropped, for a cache may forget.
_MAX_PENDING = 32


def opaque(secret: str, text: str) -> str:
    """A name for ``text`` that tells nobody without the secret what it was (128 bits)."""
    key = secret.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


class LookupCache:
    """Answers to look-ups by role and question. Nothing here ever fails or waits long."""

    def __init__(self, cache: CacheClient, metrics: Metrics, secret: str) -> None:
        self._cache = cache
        self._metrics = metrics
        self._secret = secret
        self._pending: set[asyncio.Task[None]] = set()

    async def find(self, role: str, question: str) -> bytes | None:
        """The answer given to this role not long ago, or None."""
        key = self._key(role, question)

        def get(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("GET", key)

        try:
            found = await self._cache.ask(get)
        except CacheAwayError:
            if self._cache.is_configured:
                self._metrics.cached("away")
            return None
        answer = found if isinstance(found, bytes) else None
        self._metrics.cached("miss" if answer is None else "hit")
        return answer

    def keep(self, role: str, question: str, answer: bytes) -> None:
        """Keep an answer for the next who asks; whoever asked now doesn't wait for it."""
        if (
            not self._cache.breaker.is_closed
            or len(answer) > MAX_ENTRY_BYTES
            or len(self._pending) >= _MAX_PENDING
        ):
            return
        task = asyncio.create_task(self._store(self._key(role, question), answer))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def forget(self, role: str, question: str) -> None:
        """Drop an answer that a write has made wrong.

        Best effort: a lost deletion is mended by the short life of every answer.
        """
        key = self._key(role, question)

        def delete(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("DEL", key)

        try:
            await self._cache.ask(delete)
        except CacheAwayError:
            return

    async def _store(self, key: str, answer: bytes) -> None:
        def store(redis: RedisConnection) -> asyncio.Future[Reply]:
            return redis.call("SET", key, answer, "EX", LOOKUP_TTL_S)

        try:
            await self._cache.ask(store)
        except CacheAwayError:
            return

    def _key(self, role: str, question: str) -> str:
        return f"lookup:{role}:{opaque(self._secret, question)}"
