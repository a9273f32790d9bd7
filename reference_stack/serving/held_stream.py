"""A streamed response that lets go of its source however it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class HeldStream(StreamingResponse):
    """Streams ``content`` and then awaits ``release``, once.

    A ``finally`` in the generator is not enough: of one that was never begun, because the client
    left before the first byte, nothing is run.
    """

    def __init__(
        self,
        content: AsyncIterator[bytes | str],
        *,
        release: Callable[[], Awaitable[None]],
        **options: Any,
    ) -> None:
        super().__init__(content, **options)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content; ends early when the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._release()
