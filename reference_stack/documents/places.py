"""The two other places a hospital node's documents can be: the other node, and the bucket."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from reference_stack.documents.records import VersionRecord


class Peer(Protocol):
    """The other node. Every method raises ``PeerUnreachableError`` when it does not answer."""

    async def push(self, record: VersionRecord, content: bytes) -> str:
        """Have it keep a version durably; returns the SHA-256 of what it keeps."""

    async def digests(self) -> list[str]:
        """A digest of each part of its catalogue."""

    async def inventory(self, shard: int) -> dict[str, str]:
        """Names and identities of one part's records."""

    async def record(self, shard: int, name: str) -> VersionRecord | None:
        """One record by its name."""

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        """Every version it has of a document."""

    async def blob(self, sha256: str) -> bytes | None:
        """A content, checked by it; None when it has no sound copy."""


class Bucket(Protocol):
    """The bucket. Every method raises ``BucketUnreachableError`` when it does not answer."""

    async def upload(self, record: VersionRecord, content: bytes) -> None:
        """Keep a version: content first, so that a record there never lacks it."""

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        """Every version it has of a document."""

    async def blob(self, sha256: str) -> bytes | None:
        """A content; None when it is not there or not sound."""

    async def names(self, *, emergency: bool) -> list[str]:
        """Objects that hold records: all of them, or those written in an emergency."""

    async def record(self, name: str) -> VersionRecord | None:
        """The record of one of :meth:`names`."""
