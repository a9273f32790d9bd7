"""The other node over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from pydantic import ValidationError

from reference_stack.documents.errors import PeerUnreachableError
from reference_stack.documents.records import VersionRecord


def packed(record: VersionRecord, content: bytes) -> bytes:
    """A version as one body: the record's JSON on a line, then the content."""
    return record.encoded() + b"\n" + content


def unpacked(body: bytes) -> tuple[VersionRecord, bytes]:
    """Take :func:`packed` apart.

    Raises:
        ValueError: when the body is none.
    """
    line, _, content = body.partition(b"\n")
    return VersionRecord.model_validate_json(line), content


class HttpPeer:
    """Asks the other node's service; see :class:`reference_stack.documents.places.Peer`."""

    def __init__(self, url: str, secret: str, *, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=timeout_s,
            trust_env=False,
        )

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def push(self, record: VersionRecord, content: bytes) -> str:
        """Have it keep a version; the answer tells the checksum of the copy on its disk."""
        answer = await self._ask("PUT", "/peer/versions", content=packed(record, content))
        return str(answer.json()["sha256"])

    async def digests(self) -> list[str]:
        """A digest of each part of its catalogue."""
        digests: list[str] = (await self._ask("GET", "/peer/digests")).json()
        return digests

    async def inventory(self, shard: int) -> dict[str, str]:
        """Names and identities of one part's records."""
        inventory: dict[str, str] = (await self._ask("GET", f"/peer/inventory/{shard}")).json()
        return inventory

    async def record(self, shard: int, name: str) -> VersionRecord | None:
        """One record by its name."""
        answer = await self._ask("GET", f"/peer/records/{shard}/{name}", missing=True)
        return _record(answer.content) if answer.is_success else None

    async def document(self, document_id: UUID) -> list[VersionRecord]:
        """Every version it has of a document."""
        answer = await self._ask("GET", f"/peer/documents/{document_id}")
        return [VersionRecord.model_validate(entry) for entry in answer.json()]

    async def blob(self, sha256: str) -> bytes | None:
        """A content, if its copy is sound."""
        answer = await self._ask("GET", f"/peer/blobs/{sha256}", missing=True)
        return answer.content if answer.is_success else None

    async def _ask(
        self, method: str, path: str, *, missing: bool = False, **request: Any
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise PeerUnreachableError(f"{self._client.base_url}: {reason}") from error
        if answer.is_success or (missing and answer.status_code == httpx.codes.NOT_FOUND):
            return answer
        raise PeerUnreachableError(
            f"{self._client.base_url}{path}: {answer.status_code} {answer.text[:200]}"
        )


def _record(content: bytes) -> VersionRecord:
    try:
        return VersionRecord.model_validate_json(content)
    except ValidationError as error:
        raise PeerUnreachableError(f"the other node's record is none: {error}") from error
