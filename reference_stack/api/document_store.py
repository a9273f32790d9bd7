"""The client side of a site's document service."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import httpx
from pydantic import ValidationError

from reference_stack.api.problems import (
    DOCUMENT_LOST,
    DOCUMENTS_UNAVAILABLE,
    INVALID_REQUEST,
    KEY_REUSED,
    UNKNOWN_VERSION,
    ProblemError,
    ProblemKind,
)
from reference_stack.documents.blobs import sha256_of
from reference_stack.documents.records import Receipt

_REFUSALS: dict[int, ProblemKind] = {
    404: DOCUMENT_LOST,
    409: KEY_REUSED,
    412: UNKNOWN_VERSION,
    422: INVALID_REQUEST,
}


class DocumentStore:
    """Stores and fetches bytes; raises `ProblemError` only."""

    def __init__(self, urls: Sequence[str], secret: str, *, timeout_s: float) -> None:
        self._clients = [
            httpx.AsyncClient(
                base_url=url,
                headers={"Authorization": f"Bearer {secret}"},
                timeout=timeout_s,
                trust_env=False,
            )
            for url in urls
        ]

    async def close(self) -> None:
        """End the connections."""
        for client in self._clients:
            await client.aclose()

    async def put(
        self, document: UUID, version: UUID, content: bytes,
        *, content_type: str, replaces: tuple[UUID, ...],
    ) -> Receipt:  # fmt: skip
        """Have a version's bytes stored durably; safe to repeat."""
        answer = await self._ask(
            "PUT", f"/documents/{document}/versions/{version}", content=content,
            headers={"Content-Type": content_type, "X-Replaces": ",".join(map(str, replaces))},
        )  # fmt: skip
        try:
            receipt = Receipt.model_validate_json(answer.content)
        except ValidationError as error:
            raise ProblemError(DOCUMENTS_UNAVAILABLE, "an answer that is no receipt") from error
        if receipt.record.sha256 != await asyncio.to_thread(sha256_of, content):
            raise ProblemError(DOCUMENTS_UNAVAILABLE, "the stored copy is another content")
        return receipt

    async def content(self, document: UUID, version: UUID, sha256: str) -> bytes:
        """A version's bytes, which must be those the metadata names."""
        answer = await self._ask("GET", f"/documents/{document}/versions/{version}")
        if await asyncio.to_thread(sha256_of, answer.content) != sha256:
            raise ProblemError(DOCUMENT_LOST, f"version {version} has other bytes than it had")
        return answer.content

    async def _ask(
        self, method: str, path: str, *, content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:  # fmt: skip
        silent = "this design keeps no documents here"
        for client in self._clients:
            try:
                answer = await client.request(method, path, content=content, headers=headers)
            except httpx.ConnectError as error:
                # Every node can do it: what one that is gone would have said, the next one says.
                silent = str(error) or repr(error)
                continue
            except httpx.HTTPError as error:
                raise ProblemError(DOCUMENTS_UNAVAILABLE, str(error) or repr(error)) from error
            if answer.is_success:
                return answer
            kind = _REFUSALS.get(answer.status_code, DOCUMENTS_UNAVAILABLE)
            raise ProblemError(kind, answer.text[:500])
        raise ProblemError(DOCUMENTS_UNAVAILABLE, silent)
