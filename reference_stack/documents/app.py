"""The document service over HTTP: for the site's own API, and between the nodes.

Everything but ``/health`` and ``/metrics`` wants the stack's document secret as bearer token.

========  ==============================================  ========================================
PUT       /documents/{document}/versions/{version}        body: content; ``Content-Type``;
                                                          ``X-Replaces``: versions, by commas
GET       /documents/{document}                           all versions, heads, whether in conflict
GET       /documents/{document}/versions/{version}        the content, its checksum as ETag
========  ==============================================  ========================================
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reference_stack.documents.errors import (
    DocumentError,
    NotFoundError,
    NotStoredError,
    UnavailableError,
    UnknownBaseError,
    VersionTakenError,
)
from reference_stack.documents.metrics import DocumentMetrics
from reference_stack.documents.node import Version
from reference_stack.documents.records import (
    ContentType,
    DocumentState,
    Receipt,
    VersionRecord,
)

OPEN_PATHS = frozenset({"/health", "/metrics"})
STATUS: Mapping[type[Exception], int] = {
    NotFoundError: 404,
    VersionTakenError: 409,
    UnknownBaseError: 412,
    NotStoredError: 503,
    UnavailableError: 503,
}
_CONTENT_TYPE: TypeAdapter[str] = TypeAdapter(ContentType)


class Store(Protocol):
    """What a hospital node and the emergency site have in common."""

    async def put(self, version: Version, content: bytes) -> Receipt:
        """Store a version."""

    async def document(self, document_id: UUID) -> DocumentState:
        """Every version of a document."""

    async def version(self, document_id: UUID, version_id: UUID) -> VersionRecord:
        """One version's record."""

    async def content(self, record: VersionRecord) -> bytes:
        """A version's content, checked."""


class BadRequestError(Exception):
    """The request does not fit; told to the caller with a status of 4xx."""

    def __init__(self, reason: str, status: int = 422) -> None:
        super().__init__(reason)
        self.status = status


class BearerSecret:
    """Lets in who knows the secret; a plain ASGI middleware."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = JSONResponse({"error": "the document secret is needed"}, 401)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


Status = Callable[[], Mapping[str, object]]


def build_app(
    store: Store, *, secret: str, size_limit_bytes: int, metrics: DocumentMetrics, status: Status,
    background: Callable[[], AbstractAsyncContextManager[None]], more_routes: list[Route],
) -> ASGIApp:  # fmt: skip
    """The application; ``status`` is what ``/health`` tells, ``background`` runs beside it."""

    async def put(request: Request) -> Response:
        version = _asked_version(request)
        content = await read_body(request, size_limit_bytes)
        if not content:
            raise BadRequestError("the content is empty")
        receipt = await store.put(version, content)
        return JSONResponse(receipt.model_dump(mode="json"), 201 if receipt.new else 200)

    async def document(request: Request) -> Response:
        state = await store.document(request.path_params["document"])
        return JSONResponse({**state.model_dump(mode="json"), "conflict": state.conflict})

    async def content(request: Request) -> Response:
        ids = request.path_params
        record = await store.version(ids["document"], ids["version"])
        return Response(
            await store.content(record),
            media_type=record.content_type,
            headers={"ETag": f'"{record.sha256}"'},
        )

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", **status()})

    async def exposition(_request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with background():
            yield

    one_version = "/documents/{document:uuid}/versions/{version:uuid}"
    app = Starlette(
        routes=[
            Route(one_version, put, methods=["PUT"]),
            Route(one_version, content),
            Route("/documents/{document:uuid}", document),
            Route("/health", health),
            Route("/metrics", exposition),
            *more_routes,
        ],
        exception_handlers={
            DocumentError: _answer_refusal,
            BadRequestError: _answer_bad_request,
        },
        lifespan=lifespan,
    )
    return BearerSecret(app, secret)


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The request's body.

    Raises:
        BadRequestError: (413) when it is longer than ``limit_bytes``.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BadRequestError(f"at most {limit_bytes} bytes", 413)
        chunks.append(chunk)
    return b"".join(chunks)


def _asked_version(request: Request) -> Version:
    try:
        replaces = [UUID(word) for word in request.headers.get("X-Replaces", "").split(",") if word]
    except ValueError as error:
        raise BadRequestError(f"X-Replaces: {error}") from error
    content_type = request.headers.get("Content-Type", "application/octet-stream")
    try:
        _CONTENT_TYPE.validate_python(content_type)
    except ValidationError as error:
        raise BadRequestError(f"Content-Type: {error.errors()[0]['msg']}") from error
    return Version(
        document_id=request.path_params["document"],
        version_id=request.path_params["version"],
        content_type=content_type,
        replaces=tuple(replaces),
    )


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, STATUS.get(type(error), 500))


async def _answer_bad_request(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, BadRequestError) else 422
    return JSONResponse({"error": str(error)}, status)
