"""The client side of a site's inference service: chat, speech, faces and images."""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from reference_stack.api.inference_models import FaceEmbedding, ImageFindings
from reference_stack.api.problems import INFERENCE_UNAVAILABLE, ProblemError, ProblemKind

logger = logging.getLogger(__name__)

Reply = TypeVar("Reply", bound=BaseModel)

CONNECT_TIMEOUT_S = 2.0
#: What the service calls whatever model it serves: a client whose next request may be another
#: site's can't name one.
ANY_MODEL: Final = "default"
#: The service's longest messages are a few words; this is far beyond them.
MAX_MESSAGE_BYTES: Final = 256 * 1024
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


@contextmanager
def inference_problems(refused: ProblemKind) -> Iterator[None]:
    """Raise what inference does as `ProblemError`: 503 if it is away, ``refused`` if it won't."""
    try:
        yield
    except InferenceUnavailableError as error:
        raise ProblemError(
            INFERENCE_UNAVAILABLE, str(error), retry_after_s=error.retry_after_s
        ) from error
    except InferenceRefusedError as error:
        raise ProblemError(refused, str(error)) from error


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
        self._url = url.rstrip("/")
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
        response = await self.begin("/v1/chat/completions", json=body)
        try:
            return await Answer(response).begin()
        except BaseException:
            await response.aclose()
            raise

    async def begin(
        self, path: str, *, timeout_s: float | None = None, **content: Any
    ) -> httpx.Response:
        """POST ``content`` (httpx's words: ``json``, ``data`` and ``files``, ``content`` and
        ``headers``) and wait for the beginning of a good answer, which the caller must close.

        Raises as `begin_answer` does, with the same promise.
        """
        headers = {"Accept-Encoding": "identity", **content.pop("headers", {})}
        request = self._client.build_request(
            "POST", path, headers=headers, **content,
            timeout=(
                httpx.USE_CLIENT_DEFAULT
                if timeout_s is None
                else httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
            ),
        )  # fmt: skip
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise InferenceUnavailableError(_words(error)) from error
        try:
            if response.status_code != httpx.codes.OK:
                raise await _refusal(response)
        except BaseException:
            await response.aclose()
            raise
        return response

    async def ask(self, path: str, **content: Any) -> httpx.Response:
        """As `begin`, with the whole answer read."""
        response = await self.begin(path, **content)
        try:
            await response.aread()
        except httpx.HTTPError as error:
            raise InferenceUnavailableError(_words(error)) from error
        finally:
            await response.aclose()
        return response

    async def dictation(self) -> ClientConnection:
        """An open WebSocket to live dictation; the caller closes it.

        Raises `InferenceUnavailableError`. Nothing is pinged: a service that is behind does not
        read, and so would not answer, until it has caught up.
        """
        url = self._url.replace("http", "ws", 1) + "/v1/audio/dictation"
        try:
            return await connect(
                url, open_timeout=CONNECT_TIMEOUT_S, close_timeout=CONNECT_TIMEOUT_S,
                ping_interval=None, max_size=MAX_MESSAGE_BYTES, compression=None, proxy=None,
            )  # fmt: skip
        except (OSError, WebSocketException) as error:
            raise InferenceUnavailableError(
                f"inference: {type(error).__name__}: {error}".rstrip(": ")
            ) from error

    async def face_embedding(self, picture: bytes, content_type: str) -> FaceEmbedding:
        """The embedding of the face on a picture, and how many faces there are.

        Raises `InferenceUnavailableError` or `InferenceRefusedError`.
        """
        return _validated(
            FaceEmbedding, await self._about("/v1/faces/embedding", picture, content_type)
        )

    async def analyse_image(self, image: bytes, content_type: str) -> ImageFindings:
        """Measures of a medical image, no diagnosis; raises as `face_embedding` does."""
        return _validated(
            ImageFindings, await self._about("/v1/images/analysis", image, content_type)
        )

    async def _about(self, path: str, picture: bytes, content_type: str) -> bytes:
        answer = await self.ask(path, content=picture, headers={"Content-Type": content_type})
        return answer.content

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
    # Paths are this program's own: one that is not found is a model that this site does not serve.
    passing = {httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS}
    if httpx.codes.is_client_error(status) and status not in passing:
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
