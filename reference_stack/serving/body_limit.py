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


class BodyLimit:
    """Middleware that refuses larger bodies with 413, whether they say their size or not."""

    def __init__(self, app: ASGIApp, limits_bytes: Mapping[str, int]) -> None:
        """`limits_bytes` by path; `MAX_JSON_BYTES` elsewhere."""
        self._app = app
        self._limits_bytes = limits_bytes

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
            read_bytes += len(message.get("body", b""))
            if read_bytes > limit:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit:,} bytes"
                )
            return message

        await self._app(scope, limited, send)
