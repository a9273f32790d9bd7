"""A bound on request bodies, before anything keeps or parses them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_stack.serving.problem import too_large

#: What a JSON document may have; texts are far smaller.
MAX_JSON_BYTES: Final = 4 * 1024**2
#: What a form adds to the file in it.
FORM_BYTES: Final = 1024**2
#: What the bodies of all requests that are under way may have together.
MAX_TOGETHER_BYTES: Final = 512 * 1024**2
_FULL_RETRY_AFTER_S: Final = 5


class BodyLimit:
    """Middleware that refuses larger bodies with 413, whether they say their size or not.

    A body counts from its first byte until its request is answered. When all of them together have
    more than is allowed, the one that is read is refused with 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits_bytes: Mapping[str, int],
        together_bytes: int = MAX_TOGETHER_BYTES,
    ) -> None:
        """`limits_bytes` by path; `MAX_JSON_BYTES` elsewhere."""
        self._app = app
        self._limits_bytes = limits_bytes
        self._together_bytes = together_bytes
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits_bytes.get(scope["path"], MAX_JSON_BYTES)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            await too_large(limit).response()(scope, receive, send)
            return
        read_bytes = 0

        async def limited() -> Message:
            nonlocal read_bytes
            message = await receive()
            size = len(message.get("body", b""))
            read_bytes += size
            self._held_bytes += size
            if self._held_bytes > self._together_bytes:
                raise HTTPException(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "the service has too many files under way",
                    {"Retry-After": str(_FULL_RETRY_AFTER_S)},
                )
            if read_bytes > limit:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit:,} bytes"
                )
            return message

        try:
            await self._app(scope, limited, send)
        finally:
            self._held_bytes -= read_bytes
