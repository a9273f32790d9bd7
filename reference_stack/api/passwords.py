"""Password hashes: argon2id at OWASP's parameters, computed off the event loop.

OWASP Password Storage Cheat Sheet: argon2id with 19 MiB of memory, 2 iterations, 1 lane.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def password_matches(password_hash: str, password: str) -> bool:
    """Verify a password; a damaged hash matches nothing."""
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


class PasswordVerifier:
    """Verifies in a few threads (argon2 releases the interpreter lock); waiting calls queue up."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._decoy_hash = HASHER.hash("nobody's password")

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password fits; an unknown user (`None`) takes as long as a known one."""
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(
            self._executor, password_matches, password_hash or self._decoy_hash, password
        )
        return matches and password_hash is not None

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
