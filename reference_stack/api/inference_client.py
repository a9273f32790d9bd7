"""The client side of a site's inference service: one answer as a stream of chunks."""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Self, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

logger = logging.getLogger(__name__)

Reply = TypeVar("Reply", bound=BaseModel)

CONNECT_TIMEOUT_S = 2.0
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class InferenceUnavailableError(Exception):
    """No answer was begun: the service is down, starting or full. `retry_after_s` is its advice."""

    def __init__(self, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class InferenceRefusedError(Exception):
    """The service understood the request and won't take it (a prompt that is too long, say)."""


class InferenceBrokenError(Exception):
    """An answer was begun and did not reach its end."""


async def event_payloads(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event.

    Lines end only where the event-stream format says so (CR, LF, both). httpx's own line reader
    also splits at characters such as U+2028, which JSON strings may contain.
    """
    buffer = b""
    data: list[bytes] = []
    async for chunk in chunks:
        *lines, buffer = _LINE_END.split(buffer + chunk)
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data = []


def _declares_error(payload: bytes) -> bool:
    if b'"error"' not in payload:
        return False
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return True
    return isinstance(document, dict) and bool(document.get("error"))


class FaceEmbedding(BaseModel):
    """``embedding`` is null unless there is exactly one face."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    embedding: tuple[float, ...] | None
    faces: int = Field(ge=0)
    model: str = "unknown"


class ImageFindings(BaseModel):
    """What was measured; ``summary`` in one sentence, the rest as the service names it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    summary: str = ""


class Answer:
    """An answer whose first chunk has arrived. Iterate once, then `aclose`."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._payloads = event_payloads(response.aiter_raw())
        self._first: bytes | None = None

    async def begin(self) -> Self:
        """Wait for the first chunk; raises `InferenceUnavailableError`."""
        try:
            self._first = await anext(self._payloads, None)
        except httpx.HTTPError as error:
            raise InferenceUnavailableError(_words(error)) from error
        if self._first is None or self._first == b"[DONE]" or _declares_error(self._first):
            raise InferenceUnavailableError("inference ended before its first token")
        return self

    async def chunks(self) -> AsyncIterator[bytes]:
        """The payloads of the chunks, ``[DONE]`` not included; raises `InferenceBrokenError`."""
        if self._first is not None:
            yield self._first
        try:
            async for payload in self._payloads:
                if payload == b"[DONE]":
                    return
                if _declares_error(payload):
                    raise InferenceBrokenError("inference reported an error")
                yield payload
        except httpx.HTTPError as error:
            raise InferenceBrokenError(_words(error)) from error
        raise InferenceBrokenError("inference ended without [DONE]")

    async def aclose(self) -> None:
        """Let go of the answer; the service stops generating when the connection closes."""
        await self._response.aclose()


class InferenceClient:
    """Asks one inference service. Timeouts are seconds."""

    def __init__(self, url: str, *, model: str | None, idle_timeout_s: float) -> None:
        self._model = {"model": model} if model else {}
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(idle_timeout_s, connect=CONNECT_TIMEOUT_S),
            # Concurrency is bounded by the service's own queue, which can say "full".
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    async def begin_answer(self, messages: list[dict[str, str]], *, max_tokens: int) -> Answer:
        """Ask, and wait for the first chunk of the answer.

        Raises `InferenceUnavailableError` or `InferenceRefusedError`; on any way out but success
        the request is ended, so a cancelled caller leaves no generation running.
        """
        body: dict[str, Any] = {
            **self._model,
            "messages": messages,
            "max_tokens": max_tokens,
            "stream": True,
        }
        request = self._client.build_request(
            "POST",
            "/v1/chat/completions",
            content=orjson.dumps(body),
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise InferenceUnavailableError(_words(error)) from error
        try:
            if response.status_code != httpx.codes.OK:
                raise await _refusal(response)
            return await Answer(response).begin()
        except BaseException:
            await response.aclose()
            raise

    async def face_embedding(self, picture: bytes, content_type: str) -> FaceEmbedding:
        """The embedding of the face on a picture, and how many faces there are.

        Raises `InferenceUnavailableError` or `InferenceRefusedError`.
        """
        return _validated(
            FaceEmbedding, await self._post("/v1/faces/embedding", picture, content_type)
        )

    async def analyse_image(self, image: bytes, content_type: str) -> ImageFindings:
        """Measures of a medical image, no diagnosis; raises as `face_embedding` does."""
        return _validated(
            ImageFindings, await self._post("/v1/images/analysis", image, content_type)
        )

    async def _post(self, path: str, content: bytes, content_type: str) -> bytes:
        try:
            response = await self._client.post(
                path, content=content, headers={"Content-Type": content_type}
            )
            if response.status_code != httpx.codes.OK:
                raise await _refusal(response)
        except httpx.HTTPError as error:
            raise InferenceUnavailableError(_words(error)) from error
        return response.content

    async def is_healthy(self, timeout_s: float) -> bool:
        try:
            response = await self._client.get("/health", timeout=timeout_s)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK

    async def close(self) -> None:
        await self._client.aclose()


async def _refusal(
    response: httpx.Response,
) -> InferenceUnavailableError | InferenceRefusedError:
    status = response.status_code
    detail = f"inference answered {status}"
    try:
        document = orjson.loads(await response.aread())
        detail = f"{detail}: {document['detail']}"
    except (httpx.HTTPError, orjson.JSONDecodeError, KeyError, TypeError):
        logger.info("inference answered %s without a problem document", status)
    if httpx.codes.is_client_error(status) and status != httpx.codes.TOO_MANY_REQUESTS:
        return InferenceRefusedError(detail)
    advice = response.headers.get("Retry-After", "")
    return InferenceUnavailableError(detail, int(advice) if advice.isdecimal() else None)


def _words(error: httpx.HTTPError) -> str:
    return f"inference: {type(error).__name__}: {error}".rstrip(": ")


def _validated(kind: type[Reply], content: bytes) -> Reply:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise InferenceUnavailableError(f"inference sent what is no {kind.__name__}") from error
