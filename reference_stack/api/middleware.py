"""Around every request: the site's headers, the metrics, and an answer even to a bug."""

import logging
import re
from http import HTTPStatus
from time import perf_counter
from typing import Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_stack.api.metrics import Metrics
from reference_stack.api.problems import INTERNAL, ProblemError, problem_response
from reference_stack.api.settings import ApiSettings

logger = logging.getLogger(__name__)

UNMATCHED_ROUTE = "unmatched"
# Methods outside HTTP's own would let clients invent metric labels.
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: FastAPI reads a JSON body whole before anybody is asked for a token. The longest text there is
#: (`models.MAX_TEXT_LENGTH`) takes up to twelve bytes a letter.
JSON_LIMIT_BYTES: Final = 256 * 1024

# What a balancer or client may call its request: enough for any id in use, and nothing that could
# break a log line.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class SiteMiddleware:
    """A plain ASGI middleware: it neither buffers streams nor hides the client's disconnection."""

    def __init__(self, app: ASGIApp, *, settings: ApiSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = [
            (b"x-prontuario-site", settings.site.encode()),
            (b"x-prontuario-mode", settings.mode.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started_at = perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        headers = [*self._headers, (b"x-request-id", request_id)]
        if scope["type"] == "websocket":
            await self._app(scope, receive, _with_headers(send, headers))
            return
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        try:
            await self._app(scope, _within_limit(scope, receive), send_with_headers)
        except Exception:
            # The outermost place that can still answer; the traceback goes to the log.
            logger.exception("unexpected failure: %s %s", scope["method"], scope["path"])
            if status is not None:
                raise
            await problem_response(ProblemError(INTERNAL))(scope, receive, send_with_headers)
        finally:
            method = scope["method"]
            self._metrics.observe(
                method=method if method in KNOWN_METHODS else "other",
                route=getattr(scope.get("route"), "path", UNMATCHED_ROUTE),
                status=status or INTERNAL.status,
                duration_s=perf_counter() - started_at,
            )


def _within_limit(scope: Scope, receive: Receive) -> Receive:
    """Refuse a JSON body that is too large; routes that read bytes have limits of their own."""
    size_bytes = 0

    async def receive_within() -> Message:
        nonlocal size_bytes
        message = await receive()
        size_bytes += len(message.get("body", b""))
        has_json = getattr(scope.get("route"), "body_field", None) is not None
        if has_json and size_bytes > JSON_LIMIT_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return receive_within


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "websocket.accept":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return send_with_headers


def _request_id(scope: Scope) -> bytes:
    """The request's own id, if it has a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return str(uuid4()).encode()
