"""The emergency site's documents: read from the bucket, and written there.

A version is acknowledged when the bucket has its content and its record. The hospital finds it
under ``emergency/`` when it is back (:class:`reference_stack.documents.catching_up.BucketKeeper`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from reference_stack.documents.blobs import sha256_of
from reference_stack.documents.errors import (
    BucketUnreachableError,
    NotFoundError,
    NotStoredError,
    UnavailableError,
    UnknownBaseError,
    VersionTakenError,
)
from reference_stack.documents.google_bucket import GoogleBucket
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.node import Version
from reference_stack.documents.records import (
    DocumentState,
    Receipt,
    VersionRecord,
    document_state,
)


class CloudDocuments:
    """Documents without a disk of their own; raises what :class:`DocumentNode` raises."""

    def __init__(
        self, site: str, bucket: GoogleBucket, *, metrics: DocumentMetrics,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self.site = site
        self.metrics = metrics
        self._bucket = bucket
        self._now = now

    async def put(self, version: Version, content: bytes) -> Receipt:
        """Store a version in the bucket; safe to repeat."""
        try:
            known = {r.version_id: r for r in await self._bucket.document(version.document_id)}
            past: set[UUID] = set()
            for base in version.replaces:
                if base not in known:
                    raise UnknownBaseError(f"no version {base} in the bucket")
                past.update((base, *known[base].history))
            record = VersionRecord(
                document_id=version.document_id, version_id=version.version_id,
                sha256=sha256_of(content), size_bytes=len(content),
                content_type=version.content_type, history=tuple(sorted(past)),
                site=self.site, accepted_at=self._now(),
            )  # fmt: skip
            stored = known.get(version.version_id)
            if stored is not None and stored.identity != record.identity:
                raise VersionTakenError(f"version {version.version_id} is another content already")
            await self._bucket.upload_emergency(stored or record, content)
        except BucketUnreachableError as error:
            raise NotStoredError(str(error)) from error
        self.metrics.stored("bucket")
        return Receipt(record=stored or record, durability="bucket", new=stored is None)

    async def document(self, document_id: UUID) -> DocumentState:
        """Every version that the bucket has of a document."""
        try:
            records = await self._bucket.document(document_id)
        except BucketUnreachableError as error:
            raise UnavailableError(str(error)) from error
        if not records:
            raise NotFoundError(f"no document {document_id} in the bucket")
        return document_state(document_id, records)

    async def version(self, document_id: UUID, version_id: UUID) -> VersionRecord:
        """One version's record."""
        state = await self.document(document_id)
        for record in state.versions:
            if record.version_id == version_id:
                return record
        raise NotFoundError(f"no version {version_id} of document {document_id} in the bucket")

    async def content(self, record: VersionRecord) -> bytes:
        """A version's content, checked."""
        try:
            content = await self._bucket.blob(record.sha256)
        except BucketUnreachableError as error:
            raise UnavailableError(str(error)) from error
        if content is None:
            raise NotFoundError(f"the bucket has no sound copy of {record.sha256}")
        return content
