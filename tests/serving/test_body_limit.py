"""Bodies are bounded one by one and together."""

import asyncio
from http import HTTPStatus

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from reference_stack.serving.body_limit import BodyLimit

LIMIT_BYTES, TOGETHER_BYTES = 100, 250


class Uploads:
    """An application that reads bodies, and answers when it is told to."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.served = BodyLimit(self.read, {"/file": LIMIT_BYTES}, TOGETHER_BYTES)

    async def read(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.answer.wait()

    async def upload(self, *pieces: int) -> None:
        sizes = list(pieces)

        async def receive() -> Message:
            body = bytes(sizes.pop(0))
            return {"type": "http.request", "body": body, "more_body": bool(sizes)}

        async def send(_message: Message) -> None:
            """Nothing is sent."""

        await self.served({"type": "http", "path": "/file", "headers": []}, receive, send)


def test_a_body_that_grows_too_large_is_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(HTTPException) as refusal:
            await Uploads().upload(60, 60)
        assert refusal.value.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    asyncio.run(scenario())


def test_bodies_under_way_are_bounded_together_and_make_room_when_they_are_answered() -> None:
    async def scenario() -> None:
        uploads = Uploads()
        held = [asyncio.create_task(uploads.upload(50, 50)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refusal:
            await uploads.upload(40, 20)
        assert refusal.value.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert refusal.value.headers == {"Retry-After": "5"}
        uploads.answer.set()
        await asyncio.gather(*held)
        await uploads.upload(50, 50)

    asyncio.run(scenario())
