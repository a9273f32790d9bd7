"""Seals over audit events: a hash chain a process, so that no request waits for another's link.

A seal's hash covers the hash before it and the digests of its members, in order. The first seal of
a chain names the newest seal of any chain it knew, so that the chains hang together: to take an
event away, every later seal would have to be made anew, and their signatures need a key that the
database does not hold.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from reference_stack.api.audit_event import INSERT, AuditEvent, signature_of
from reference_stack.api.connections import FailoverConnection

GENESIS: Final = bytes(32)
#: A chain has but one writer, so a seal that is there already is this very one, sent again.
INSERT_SEAL: Final = """
INSERT INTO audit_seal (chain, number, previous, members, sealed_at, hash, signature)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (chain, number) DO NOTHING
"""
NEWEST: Final = "SELECT hash FROM audit_seal ORDER BY sealed_at DESC, number DESC LIMIT 1"


def seal_hash(
    chain: UUID, number: int, previous: bytes, sealed_at: datetime, digests: Sequence[bytes]
) -> bytes:
    """SHA-256 over chain, number, previous hash, time (UTC, microseconds) and the digests."""
    at = sealed_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
    head = chain.bytes + number.to_bytes(8, "big") + previous + at
    return hashlib.sha256(head + b"".join(digests)).digest()


@dataclass
class Chain:
    """The chain of one process; `store` is called by one task at a time."""

    key: bytes
    chain: UUID = field(default_factory=uuid4)
    number: int = 0
    previous: bytes | None = None

    async def store(
        self, connection: FailoverConnection, events: Sequence[AuditEvent], now: datetime
    ) -> bytes:
        """Add events that are not there yet, and the next seal over all of them.

        Safe to repeat with the same arguments. Returns the seal's hash; tell it to `stored` once
        the transaction is acknowledged.
        """
        # One round trip for all of it, the commit included.
        async with connection.pipeline(), connection.transaction():
            previous = self.previous
            if previous is None:
                row = await (await connection.execute(NEWEST)).fetchone()
                previous = bytes(row[0]) if row is not None else GENESIS
            cursor = connection.cursor()
            await cursor.executemany(INSERT, [event.row(self.key) for event in events])
            digests = [event.digest for event in events]
            sealed = seal_hash(self.chain, self.number, previous, now, digests)
            members = [event.id for event in events]
            await connection.execute(
                INSERT_SEAL,
                (
                    *(self.chain, self.number, previous, members, now, sealed),
                    signature_of(self.key, sealed),
                ),
            )
        return sealed

    def stored(self, sealed: bytes) -> None:
        """Go on to the next link."""
        self.number += 1
        self.previous = sealed

    def begin_anew(self) -> None:
        """Leave the chain: whether its last link was stored is unknown."""
        self.chain, self.number, self.previous = uuid4(), 0, None
