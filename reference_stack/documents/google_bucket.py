"""The bucket through Google's client: contents, records, and what an emergency wrote.

Objects: ``blobs/<sha256>``, ``versions/<document>/<version>.<identity>.json`` and, for what was
written while the hospital was away, the same record again under ``emergency/``: a short list for
the hospital to look through when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import (
    DataCorruption,
    InvalidResponse,
)
from pydantic import ValidationError
from requests.exceptions import RequestException

from reference_stack.bucket.client import DOCUMENTS
from reference_stack.documents.blobs import sha256_of
from reference_stack.documents.errors import BucketUnreachableError
from reference_stack.documents.records import VersionRecord, object_name

log = logging.getLogger("documents")

BLOBS = "blobs"
VERSIONS = "versions"
EMERGENCY = "emergency"

_THREADS = 4
_FAILURES = (
    GoogleAPIError, GoogleAuthError, RequestException, DataCorruption, InvalidResponse, OSError,
)  # fmt: skip
_OCTETS = "application/octet-stream"
_JSON = "application/json"

Result = TypeVar("Result")


class GoogleBucket:
    """The bucket ``documents``; blocking calls run in threads of their own."""

    def __init__(self, client: storage.Client, *, timeout_s: float) -> None:
        self._client = client
        self._bucket = client.bucket(DOCUMENTS)
        # The library's own retries go on for two minutes; who calls here has a queue.
        self._options: dict[str, Any] = {"timeout": timeout_s, "retry": None}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket")

    def close(self) -> None:
        """Let go of the threads; what they still do is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def upload(self, record: VersionRecord, content: bytes) -> None:
        """Keep content and record; neither is written twice."""
        await self._call(lambda: self._upload(record, content, (VERSIONS,)))

    async def upload_emergency(self, record: VersionRecord, content: bytes) -> None:
        """Keep a version that the hospital must be told of."""
        await self._call(lambda: self._upload(record, content, (VERSIONS, EMERGENCY)))

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        """Every version the bucket has of a document."""
        names = await self._call(lambda: self._names(f"{VERSIONS}/{document_id}/"))
        records = [await self.record(name) for name in names]
        return [record for record in records if record is not None]

    async def blob(self, sha256: str) -> bytes | None:
        """A content, checked; None when it is missing or damaged."""
        content = await self._call(lambda: self._download(f"{BLOBS}/{sha256}"))
        return content if content is not None and sha256_of(content) == sha256 else None

    async def names(self, *, emergency: bool) -> list[str]:
        """Names of the objects that hold records."""
        prefix = EMERGENCY if emergency else VERSIONS
        return await self._call(lambda: self._names(f"{prefix}/"))

    async def record(self, name: str) -> VersionRecord | None:
        """A record by its object's name; None when it is missing or damaged."""
        content = await self._call(lambda: self._download(name))
        if content is None:
            return None
        try:
            return VersionRecord.model_validate_json(content)
        except ValidationError as error:
            log.warning("the bucket's %s is damaged, not counted: %d faults", name,
                        error.error_count())  # fmt: skip
            return None

    def _upload(self, record: VersionRecord, content: bytes, prefixes: tuple[str, ...]) -> None:
        self._create(f"{BLOBS}/{record.sha256}", content, _OCTETS)
        for prefix in prefixes:
            self._create(f"{prefix}/{object_name(record)}", record.encoded(), _JSON)

    def _create(self, name: str, content: bytes, content_type: str) -> None:
        """Upload unless it is there; the library compares the checksum the bucket computed."""
        try:
            self._bucket.blob(name).upload_from_string(
                content, content_type=content_type, checksum="crc32c", if_generation_match=0,
                **self._options,
            )  # fmt: skip
        except PreconditionFailed:
            found = self._bucket.get_blob(name, **self._options)
            if found is None or found.size != len(content):
                # Half an upload, of a bucket that died in the middle of it.
                self._bucket.blob(name).upload_from_string(
                    content, content_type=content_type, checksum="crc32c", **self._options
                )

    def _names(self, prefix: str) -> list[str]:
        return [b.name for b in self._client.list_blobs(DOCUMENTS, prefix=prefix, **self._options)]

    def _download(self, name: str) -> bytes | None:
        try:
            content: bytes = self._bucket.blob(name).download_as_bytes(**self._options)
        except NotFound:
            return None
        return content

    async def _call(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except _FAILURES as error:
            raise BucketUnreachableError(f"bucket: {str(error)[:200]}") from error
