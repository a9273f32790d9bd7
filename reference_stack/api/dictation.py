"""WebSocket /v1/audio/dictation: live dictation, passed on to the site's inference and back.

The messages are the service's own, see `reference_stack.speech.dictation`; nothing of them is kept
here. Either end waits for the other: what inference has not understood yet is not read from the
client. A client that leaves ends the dictation at the service, a log-out ends it for the client.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from reference_stack.api.access import AccessDependency, AuthenticatedToken, record
from reference_stack.api.inference_client import inference_problems
from reference_stack.api.problems import (
    AUDIO_REFUSED,
    INFERENCE_BROKEN,
    NOT_AUTHENTICATED,
    ProblemError,
)
from reference_stack.api.services import ServicesDependency
from reference_stack.api.sockets import accept

router = APIRouter()

# Codes by which the service ends a dictation of its own will: all was said, a rule was broken, come
# back later. By any other it broke off.
_MEANT = frozenset({1000, 1008, 1013})


@router.websocket("/v1/audio/dictation")
async def dictate(
    socket: WebSocket,
    services: ServicesDependency,
    access: AccessDependency,
    token: AuthenticatedToken,
) -> None:
    """Open the service's end, then the client's, and pass messages until one of them closes."""
    with inference_problems(AUDIO_REFUSED):
        upstream = await services.inference.dictation()
    try:
        await record(services, access, HTTPStatus.SWITCHING_PROTOCOLS)
        await accept(socket)
        await _until_first(
            _to_service(socket, upstream),
            _to_client(upstream, socket),
            _until_logged_out(services.sessions.ended(token)),
        )
    except WebSocketDisconnect:
        return
    finally:
        await upstream.close()


async def _to_service(socket: WebSocket, upstream: ClientConnection) -> None:
    """Until the client leaves."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        sound = message.get("bytes")
        # A service that has closed has said why: `_to_client` ends the dictation.
        with contextlib.suppress(ConnectionClosed):
            await upstream.send(sound if sound is not None else message.get("text") or "")


async def _to_client(upstream: ClientConnection, socket: WebSocket) -> None:
    """Until the service closes; raises `ProblemError` when it broke off."""
    with contextlib.suppress(ConnectionClosed):
        async for message in upstream:
            if isinstance(message, str):
                await socket.send_text(message)
    code = upstream.close_code
    if code not in _MEANT:
        raise ProblemError(INFERENCE_BROKEN, f"inference closed the dictation with {code}")
    await socket.close(code, upstream.close_reason)


async def _until_logged_out(end: Coroutine[Any, Any, None]) -> None:
    await end
    raise ProblemError(NOT_AUTHENTICATED, "the session has ended")


async def _until_first(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one of them ends; raises what that one raises."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
