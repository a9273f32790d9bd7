"""Work that is given up when the client that asked for it leaves."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from reference_stack.serving.problem import bad_request

T = TypeVar("T")

# The header by which a client says how long its request may wait for a place, in seconds.
PATIENCE_HEADER = "X-Queue-Timeout-S"

# nginx's convention for a client that went away; nobody is there to read it.
_CLIENT_CLOSED_REQUEST = 499


class ClientGoneError(Exception):
    """The client closed the connection."""


async def unless_client_leaves(request: Request, work: Awaitable[T]) -> T:
    """The result of `work`, given up when the client disconnects.

    The request's body must have been read. Raises ClientGoneError, and whatever `work` raises.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    # Work that came to its end all the same has a result that somebody must close.
    if working.cancelled():
        raise ClientGoneError
    return working.result()


def client_gone() -> Response:
    """What stands for an answer nobody waits for."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def patience_s(connection: HTTPConnection) -> float | None:
    """How long the client lets its request wait in a queue. Raises Problem (400)."""
    text = connection.headers.get(PATIENCE_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise bad_request(
            "invalid_request", f"{PATIENCE_HEADER}: {text!r} is not a positive number of seconds"
        )
    return seconds


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
