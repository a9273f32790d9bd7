"""What a stream is made from is let go of, wherever it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from reference_stack.serving.held_stream import HeldStream


async def _pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def _endless() -> AsyncIterator[bytes]:
    yield b"one"
    await asyncio.Event().wait()


async def _broken() -> AsyncIterator[bytes]:
    yield b"one"
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("content", "leaves_after", "sent"),
    [(_pieces(), None, b"onetwo"), (_endless(), 1, b"one"), (_endless(), 0, b"")],
    ids=[
        "to its end",
        "the client leaves in the middle",
        "the client leaves before the first byte",
    ],
)
def test_it_is_released_once_however_it_ends(
    content: AsyncIterator[bytes], leaves_after: int | None, sent: bytes
) -> None:
    released, body = _served(content, leaves_after)
    assert (released, body) == (1, sent)


def test_it_is_released_when_its_content_fails() -> None:
    with pytest.raises(ValueError, match="broken"):
        _served(_broken(), None)


def _served(content: AsyncIterator[bytes], leaves_after: int | None) -> tuple[int, bytes]:
    """(times released, bytes sent) when the client leaves after so many pieces."""

    async def serve() -> tuple[int, bytes]:
        released = 0
        body: list[bytes] = []
        gone = asyncio.Event()

        async def release() -> None:
            nonlocal released
            released += 1

        async def receive() -> Message:
            if leaves_after != 0:
                await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            # The API's audit suspends here too, before anything is sent.
            await asyncio.sleep(0)
            if message["type"] == "http.response.body" and message["body"]:
                body.append(message["body"])
                if len(body) == leaves_after:
                    gone.set()

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        try:
            await asyncio.wait_for(HeldStream(content, release=release)(scope, receive, send), 60)
        finally:
            assert released == 1
        return released, b"".join(body)

    return asyncio.run(serve())
