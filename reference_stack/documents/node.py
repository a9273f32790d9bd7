"""A hospital node's documents, and what acknowledging one promises.

**Paired** (``acknowledged-by-both``): a version is acknowledged once its content and record are on
the disks of both nodes, the second copy's checksum compared. The loss of either node takes nothing:
RPO 0 (B-20), which an interval of rsync can't give (D-04).

**Degraded**: when the other node has not answered for ``peer_timeout_s``, that is written to the
journal, and from then on one node's disk is enough, as with the database's relaxed synchronous mode
(D-02). What is acknowledged then says ``one-node``: the loss of that node takes it, unless the
bucket has it already (it is sent there at once) or the other node has caught up. The other node
counts again only after both were compared and hold the same.

**rsync**: the literal variant. A version is acknowledged by one node; the other gets it when rsync
runs next.

In every case the bucket comes later, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID
from weakref import WeakValueDictionary

from reference_stack.documents.blobs import BlobStore, sha256_of
from reference_stack.documents.catalogue import Catalogue
from reference_stack.documents.errors import (
    BucketUnreachableError,
    CorruptedError,
    NotFoundError,
    NotStoredError,
    PeerUnreachableError,
    UnavailableError,
    UnknownBaseError,
    VersionTakenError,
)
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.pairing import Pairing
from reference_stack.documents.places import Bucket, Peer
from reference_stack.documents.records import (
    DocumentState,
    Receipt,
    VersionRecord,
    document_state,
    shard_of,
)

log = logging.getLogger("documents")

Method = Literal["acknowledged-by-both", "rsync"]
_RETRY_PAUSE_S = 0.05


@dataclass(frozen=True)
class Version:
    """A version somebody wants stored; ``replaces``: the versions its author had seen."""

    document_id: UUID
    version_id: UUID
    content_type: str
    replaces: tuple[UUID, ...] = ()


class DocumentNode:
    """One node's store. Use it from one event loop."""

    def __init__(
        self, site: str, blobs: BlobStore, catalogue: Catalogue, pairing: Pairing, *,
        method: Method, peer: Peer | None, bucket: Bucket | None, peer_timeout_s: float,
        metrics: DocumentMetrics, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self.site = site
        self.blobs = blobs
        self.catalogue = catalogue
        self.pairing = pairing
        self.peer = peer
        self.bucket = bucket
        self.metrics = metrics
        self.accepted = asyncio.Event()
        self._method = method
        self._peer_timeout_s = peer_timeout_s
        self._now = now
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._mending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, version: Version, content: bytes) -> Receipt:
        """Store a version; safe to repeat, on either node.

        Raises:
            VersionTakenError: when the version's id belongs to something else.
            UnknownBaseError: when it replaces what nobody knows.
            NotStoredError: when this node's disk fails, or a place that may know what it replaces
                does not answer.
        """
        async with self._lock(version):
            record, new = await self._keep(version, content)
        try:
            durability = await self._replicate(record, content)
        except OSError as error:
            raise NotStoredError(f"{self.site}: the disk refuses: {error}") from error
        self.metrics.stored(durability)
        self.accepted.set()
        return Receipt(record=record, durability=durability, new=new)

    async def accept(self, record: VersionRecord, content: bytes) -> str:
        """Keep a version of the other node's or the bucket's; returns the checksum of the copy.

        Raises:
            CorruptedError: when the content is not the record's.
        """
        async with self._lock(record):
            await asyncio.to_thread(self._write, record, content)
            if not self.catalogue.holds(record):
                self.catalogue.note(record)
                self.accepted.set()
        return sha256_of(await asyncio.to_thread(self.blobs.read, record.sha256))

    async def document(self, document_id: UUID) -> DocumentState:
        """Every version of a document.

        Raises:
            NotFoundError: when there is none anywhere.
            UnavailableError: when somebody who may have one does not answer.
        """
        self._look_again(document_id)
        records = self.catalogue.of_document(document_id)
        if not records:
            records = await self._elsewhere(document_id)
        return document_state(document_id, records)

    async def version(self, document_id: UUID, version_id: UUID) -> VersionRecord:
        """One version's record; the errors are those of :meth:`document`."""
        self._look_again(document_id)
        records = self.catalogue.of_version(document_id, version_id)
        if not records:
            elsewhere = await self._elsewhere(document_id)
            records = [record for record in elsewhere if record.version_id == version_id]
        if not records:
            raise NotFoundError(f"no version {version_id} of document {document_id}")
        return records[0]

    async def content(self, record: VersionRecord) -> bytes:
        """A version's content, checked; a damaged or missing one is mended first.

        Raises:
            NotFoundError: when no place has a sound copy.
            UnavailableError: when a place that may have one does not answer.
        """
        try:
            return await asyncio.to_thread(self.blobs.read, record.sha256)
        except (CorruptedError, NotFoundError):
            lock = self._mending.setdefault(record.sha256, asyncio.Lock())
            async with lock:
                return await self._mended(record.sha256)

    async def _mended(self, sha256: str) -> bytes:
        """One at a time for each content: a second would set the mended copy aside."""
        try:
            return await asyncio.to_thread(self.blobs.read, sha256)
        except CorruptedError as error:
            log.warning("%s: set aside, to be mended", error)
            self.metrics.corrupted.inc()
            await asyncio.to_thread(self.blobs.set_aside, sha256)
        except NotFoundError:
            log.warning("the content %s is not here", sha256)
        content = await self._content_elsewhere(sha256)
        try:
            await asyncio.to_thread(self.blobs.put, sha256, content)
        except OSError as error:
            log.warning("the disk does not take the mended content %s: %s", sha256, error)
        else:
            self.metrics.repaired.inc()
        return content

    def _lock(self, version: Version | VersionRecord) -> asyncio.Lock:
        """Whoever writes to one place waits for the other: the disk keeps what is noted last."""
        alone = self.catalogue.conflicts == "primary-wins"
        place = version.document_id if alone else version.version_id
        return self._locks.setdefault(place, asyncio.Lock())

    async def _keep(self, version: Version, content: bytes) -> tuple[VersionRecord, bool]:
        sha256 = await asyncio.to_thread(sha256_of, content)
        self._look_again(version.document_id)
        record = VersionRecord(
            document_id=version.document_id, version_id=version.version_id, sha256=sha256,
            size_bytes=len(content), content_type=version.content_type,
            history=await self._history(version), site=self.site, accepted_at=self._now(),
        )  # fmt: skip
        new = True
        for stored in self.catalogue.of_version(version.document_id, version.version_id):
            if stored.identity != record.identity:
                raise VersionTakenError(f"version {version.version_id} is another content already")
            record, new = stored, False
        try:
            await asyncio.to_thread(self._write, record, content)
        except OSError as error:
            raise NotStoredError(f"{self.site}: the disk refuses: {error}") from error
        self.catalogue.note(record)
        return record, new

    def _write(self, record: VersionRecord, content: bytes) -> None:
        """Content before record, so that a record never lacks its content."""
        self.blobs.put(record.sha256, content)
        if not self.catalogue.holds(record):
            self.catalogue.write(record)

    async def _history(self, version: Version) -> tuple[UUID, ...]:
        """Every version that this one comes after, sorted."""
        if self.catalogue.conflicts == "primary-wins":
            return tuple(sorted(version.replaces))
        past: set[UUID] = set()
        for base in version.replaces:
            try:
                record = await self.version(version.document_id, base)
            except NotFoundError as error:
                raise UnknownBaseError(str(error)) from error
            except UnavailableError as error:
                raise NotStoredError(str(error)) from error
            past.update((base, *record.history))
        return tuple(sorted(past))

    async def _replicate(
        self, record: VersionRecord, content: bytes
    ) -> Literal["both-nodes", "one-node"]:
        """Have the other node keep it too, or declare the pair degraded."""
        if self.peer is None or self._method == "rsync":
            return "one-node"
        clock = asyncio.get_running_loop().time
        started = clock()
        reason = ""
        while self.pairing.state != "degraded":
            left_s = started + self._peer_timeout_s - clock()
            if reason and left_s <= 0:
                self.pairing.declare_degraded(reason)
                break
            try:
                kept = await asyncio.wait_for(self.peer.push(record, content), max(left_s, 0.01))
            except (PeerUnreachableError, TimeoutError) as error:
                reason = str(error) or f"no answer in {self._peer_timeout_s} s"
                await asyncio.sleep(min(_RETRY_PAUSE_S, max(0.0, left_s)))
                continue
            if kept == record.sha256:
                self.metrics.replication.observe(clock() - started)
                return "both-nodes"
            reason = f"the other node's copy of {record.sha256} is {kept}"
        return "one-node"

    def _look_again(self, document_id: UUID) -> None:
        if self._method == "rsync":
            self.catalogue.refresh(shard_of(document_id))

    def _places(self) -> Sequence[Peer | Bucket]:
        """Where to look for what is not here; the literal variant has nowhere else to look."""
        if self._method == "rsync":
            return ()
        return [place for place in (self.peer, self.bucket) if place is not None]

    async def _elsewhere(self, document_id: UUID) -> list[VersionRecord]:
        silent: list[str] = []
        for place in self._places():
            try:
                records = await place.document(document_id)
            except (PeerUnreachableError, BucketUnreachableError) as error:
                silent.append(str(error))
                continue
            if records:
                return records
        if silent:
            raise UnavailableError("; ".join(silent))
        raise NotFoundError(f"no document {document_id}")

    async def _content_elsewhere(self, sha256: str) -> bytes:
        silent: list[str] = []
        for place in self._places():
            try:
                content = await place.blob(sha256)
            except (PeerUnreachableError, BucketUnreachableError) as error:
                silent.append(str(error))
                continue
            if content is not None and sha256_of(content) == sha256:
                return content
        if silent:
            raise UnavailableError("; ".join(silent))
        raise NotFoundError(f"no sound copy of {sha256} anywhere")
