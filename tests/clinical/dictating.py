"""A client of live dictation, as a browser or another device opens it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from reference_stack.api.sockets import SUBPROTOCOL
from tests.clinical.ward import Ward

DICTATION = "/v1/audio/dictation"


def token_of(ward: Ward, role: Any = "physician") -> str:
    return ward.as_role(role)["Authorization"].removeprefix("Bearer ")


@contextmanager
def opened(ward: Ward, token: str | None, *, by_header: bool = False) -> Iterator[ClientConnection]:
    url = str(ward.client.base_url).replace("http", "ws").rstrip("/") + DICTATION
    offered = [SUBPROTOCOL, *([f"bearer.{token}"] if token and not by_header else [])]
    headers = {"Authorization": f"Bearer {token}"} if by_header else {}
    with connect(
        url, subprotocols=[Subprotocol(one) for one in offered], additional_headers=headers,
        proxy=None, open_timeout=60, close_timeout=2,
    ) as socket:  # fmt: skip
        assert socket.subprotocol == SUBPROTOCOL
        yield socket


def rest(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(socket.recv(timeout=120)))
    return messages


def ending(socket: ClientConnection) -> tuple[str, int | None, str | None]:
    """The last message's reason, the code and the reason it was closed with."""
    message = rest(socket)[-1]
    assert message["type"] == "error"
    return message["error"]["code"], socket.close_code, socket.close_reason
