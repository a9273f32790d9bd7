"""WebSockets: how one is agreed on, and how a refusal reaches whoever opened it.

A browser shows its page neither the status nor the body of an answer that refuses a WebSocket. So a
refused one is accepted, told why (as inference tells it, in OpenAI's shape), and closed with a code
and the problem's stable word.
"""

import contextlib
from http import HTTPStatus
from typing import Final

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from reference_stack.api.access import Access, record
from reference_stack.api.audit_trail import AuditUnavailableError
from reference_stack.api.problems import ProblemError
from reference_stack.api.services import Services

#: What a client that puts its token among the subprotocols must offer too, to be answered with it.
SUBPROTOCOL: Final = "prontuario.v1"
# RFC 6455 and its registry: policy violation, internal error, try again later.
CLOSE_REFUSED, CLOSE_BROKEN, CLOSE_TRY_LATER = 1008, 1011, 1013


async def accept(socket: WebSocket) -> None:
    """Open the WebSocket, by the subprotocol if it was offered."""
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)


async def refuse(socket: WebSocket, error: ProblemError) -> None:
    """Record the refusal, say why, and close."""
    services: Services = socket.app.state.services
    access: Access | None = socket.scope["state"].get("access")
    if access is not None:
        with contextlib.suppress(AuditUnavailableError):  # nothing is told that needs a record
            await record(services, access, error.kind.status)
    with contextlib.suppress(WebSocketDisconnect):
        if socket.application_state is WebSocketState.CONNECTING:
            await accept(socket)
        if socket.application_state is WebSocketState.CONNECTED:
            await socket.send_text(_message(error).decode())
            await socket.close(_close_code(error), error.kind.type)


def _message(error: ProblemError) -> bytes:
    kind = error.kind
    message: dict[str, object] = {
        "type": "error",
        "error": {
            "message": error.detail or kind.title, "type": kind.type, "param": None,
            "code": kind.type,
        },
    }  # fmt: skip
    if error.retry_after_s is not None:
        message["retry_after_s"] = error.retry_after_s
    return orjson.dumps(message)


def _close_code(error: ProblemError) -> int:
    status = error.kind.status
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        return CLOSE_TRY_LATER
    return CLOSE_BROKEN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else CLOSE_REFUSED
