"""What is known about one version of a document, and which versions stand beside each other.

A version names all versions it comes after (its history). Two versions of which neither is in the
other's history were made without knowledge of each other: a conflict. A history says what a version
vector says in fewer bytes; but a vector counts by site, and a client that repeats its request at
the other site would get a second version there. Here both sites make the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from architecture.values import Strict

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_WORD = "[A-Za-z0-9][A-Za-z0-9.+_-]*"
ContentType = Annotated[
    str, Field(max_length=200, pattern=f"^{_WORD}/{_WORD}(; ?charset={_WORD})?$")
]
Conflicts = Literal["keep-both", "primary-wins"]

#: Parts of the catalogue; two nodes compare a digest of each before they compare its records.
SHARDS = 16
_IDENTITY_DIGITS = 16
_SUFFIX = ".json"


class VersionRecord(Strict):
    """One version. All but ``site`` and ``accepted_at`` is the same wherever it was accepted."""

    document_id: UUID
    version_id: UUID
    sha256: Sha256
    size_bytes: int = Field(ge=1)
    content_type: ContentType
    history: tuple[UUID, ...] = Field(
        default=(), description="every version that this one comes after, sorted"
    )
    site: str = Field(description="where it was accepted first")
    accepted_at: datetime

    @cached_property
    def identity(self) -> str:
        """A digest of what the version is; the same on every site that accepts it."""
        words = [self.document_id, self.version_id, self.sha256, self.content_type, *self.history]
        digest = hashlib.sha256("\n".join(map(str, words)).encode())
        return digest.hexdigest()[:_IDENTITY_DIGITS]

    def name(self, conflicts: Conflicts) -> str:
        """The record's file name; ``primary-wins`` has room for one version of a document."""
        if conflicts == "primary-wins":
            return f"{self.document_id}.current{_SUFFIX}"
        return f"{self.document_id}.{self.version_id}.{self.identity}{_SUFFIX}"

    def encoded(self) -> bytes:
        """The record as the bytes of its file."""
        return self.model_dump_json().encode()


class Receipt(Strict):
    """What an accepted version is acknowledged with.

    ``durability`` says what a loss can take from now on: ``both-nodes``: the loss of either node
    takes nothing; ``one-node``: the loss of this node, before the other has caught up and before
    the bucket has it, takes this version; ``bucket``: it is in the cloud's bucket.
    """

    record: VersionRecord
    durability: Literal["both-nodes", "one-node", "bucket"]
    new: bool = Field(description="false when it had been stored before")


class DocumentState(Strict):
    """All versions of a document; ``heads`` are those that nothing came after."""

    document_id: UUID
    versions: tuple[VersionRecord, ...]
    heads: tuple[UUID, ...]

    @property
    def conflict(self) -> bool:
        """Whether versions stand beside each other."""
        return len(self.heads) > 1


def object_name(record: VersionRecord) -> str:
    """What the record is called in the bucket, below the prefix of its kind."""
    return f"{record.document_id}/{record.version_id}.{record.identity}{_SUFFIX}"


def identity_in(name: str) -> tuple[UUID, str]:
    """Document and identity that an object's name tells.

    Raises:
        ValueError: when it is not the name of a record.
    """
    document, version = name.rsplit("/", 2)[-2:]
    return UUID(document), version.removesuffix(_SUFFIX).rsplit(".", 1)[-1]


def is_record_name(name: str) -> bool:
    """Whether a file of the folder is a record (rsync writes names that begin with a dot)."""
    return name.endswith(_SUFFIX) and not name.startswith(".")


def heads(histories: Mapping[UUID, Iterable[UUID]]) -> tuple[UUID, ...]:
    """Versions that no other comes after, sorted; ``histories`` by version."""
    superseded = {past for history in histories.values() for past in history}
    return tuple(sorted(version for version in histories if version not in superseded))


def document_state(document_id: UUID, records: Iterable[VersionRecord]) -> DocumentState:
    """Put a document's records together, in the order they were accepted."""
    versions = tuple(sorted(records, key=lambda r: (r.accepted_at, r.version_id)))
    return DocumentState(
        document_id=document_id,
        versions=versions,
        heads=heads({record.version_id: record.history for record in versions}),
    )


def shard_of(document_id: UUID) -> int:
    """The part of the catalogue (0 … ``SHARDS`` - 1) that holds a document."""
    return document_id.int % SHARDS


def shard_digest(entries: Mapping[str, str]) -> str:
    """A digest of one part of the catalogue: record names and identities."""
    lines = (f"{name} {identity}\n" for name, identity in sorted(entries.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
