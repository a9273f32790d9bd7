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
        self._bodies_limit_bytes = settings.bodies_limit_bytes
        #: What has come of the bodies of requests that are not answered yet.
        self._held_bytes = 0
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
        body_bytes = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*_kept_nowhere(message["headers"]), *headers]
            await send(message)

        async def receive_within() -> Message:
            """Refuse what is too large; routes that read bytes have limits of their own too."""
            nonlocal body_bytes
            message = await receive()
            size = len(message.get("body", b""))
            body_bytes += size
            self._held_bytes += size
            has_json = getattr(scope.get("route"), "body_field", None) is not None
            if has_json and body_bytes > JSON_LIMIT_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if self._held_bytes > self._bodies_limit_bytes:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE)
            return message

        try:
            await self._app(scope, receive_within, send_with_headers)
        except Exception:
            # The outermost place that can still answer; the traceback goes to the log. The path
            # does not: it names patients, and could hold line feeds.
            logger.exception(
                "unexpected failure: %s %s, request %s",
                _method(scope), _route(scope), request_id.decode(),
            )  # fmt: skip
            if status is not None:
                raise
            await problem_response(ProblemError(INTERNAL))(scope, receive, send_with_headers)
        finally:
            self._held_bytes -= body_bytes
            self._metrics.observe(
                method=_method(scope),
                route=_route(scope),
                status=status or INTERNAL.status,
                duration_s=perf_counter() - started_at,
            )


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in KNOWN_METHODS else "other"


def _route(scope: Scope) -> str:
    """The route's template, which says nothing about anybody."""
    return str(getattr(scope.get("route"), "path", UNMATCHED_ROUTE))


def _kept_nowhere(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, with ``Cache-Control: no-store`` unless they say what may be kept."""
    if any(name.lower() == b"cache-control" for name, _ in headers):
        return headers
    return [*headers, (b"cache-control", b"no-store")]


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
