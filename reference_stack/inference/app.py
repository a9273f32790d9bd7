"""The HTTP face of the service."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from reference_stack.inference.answer import (
    Answer,
    ClientGoneError,
    unavailable,
    unless_client_leaves,
)
from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import (
    Delta,
    Finished,
    GenerationRequest,
    UnusableConversationError,
)
from reference_stack.inference.jobs import UnavailableError
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.problem import Problem
from reference_stack.inference.schemas import ANY_MODEL, AnswerFrame, ChatRequest
from reference_stack.inference.settings import InferenceSettings

log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0
# Not an HTTP status of any standard; nobody is there to read it.
_CLIENT_CLOSED_REQUEST = 499


class AnswerStream(StreamingResponse):
    """Server-sent events that cancel their answer however they end."""

    def __init__(self, answer: Answer, events: AsyncIterator[str]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; ends early when the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()


def build_app(
    settings: InferenceSettings,
    engine: Engine,
    metrics: InferenceMetrics,
    blas: Literal["openblas", "reference", "accelerate"],
    model_version: Callable[[], str | None] = lambda: None,
) -> FastAPI:
    """The application; its lifespan starts and stops `engine`.

    `model_version` names the copy that serves, once one does.
    """
    metrics.watch(lambda: engine.queue_length, lambda: engine.running)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        if not engine.stop(_STOP_TIMEOUT_S):
            log.error("the decoding thread did not end within %s s", _STOP_TIMEOUT_S)

    app = FastAPI(title="Prontuário inference", docs_url=None, redoc_url=None, lifespan=lifespan)
    _handle_errors(app)

    @app.get("/health")
    async def health() -> JSONResponse:
        state = engine.health()
        document = {
            "status": state.state,
            "site": settings.site,
            "model": settings.model_name,
            "model_version": model_version(),
            "blas": blas,
        }
        if state.state == "ok":
            return JSONResponse(document)
        return JSONResponse(
            {**document, "detail": state.detail}, HTTPStatus.SERVICE_UNAVAILABLE.value
        )

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        model = {"id": settings.model_name, "object": "model", "owned_by": "prontuario"}
        return {"object": "list", "data": [model]}

    @app.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        return await _chat(body, request, settings, engine)

    return app


async def _chat(
    body: ChatRequest, request: Request, settings: InferenceSettings, engine: Engine
) -> Response:
    generation = _generation_request(body, settings, engine)
    frame = AnswerFrame(
        id=f"chatcmpl-{uuid.uuid4().hex}", created=int(time.time()), model=settings.model_name
    )
    answer = Answer(engine, generation)
    try:
        if not body.stream:
            text, finished = await unless_client_leaves(request, _whole(answer))
            return JSONResponse(frame.completion(text, finished))
        # The status line waits for the first token, so that an error can still be one.
        first = await unless_client_leaves(request, answer.next())
        return AnswerStream(answer, _events(answer, first, frame))
    except ClientGoneError:
        answer.close()
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    except BaseException:
        answer.close()
        raise


def _generation_request(
    body: ChatRequest, settings: InferenceSettings, engine: Engine
) -> GenerationRequest:
    if body.model not in {None, ANY_MODEL, settings.model_name}:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "unknown_model",
            f"model: {body.model!r} is not served here, allowed are {settings.model_name!r} and "
            f"{ANY_MODEL!r}",
        )
    try:
        decoder = engine.decoder
    except UnavailableError as error:
        raise unavailable(error.state, str(error)) from error
    try:
        prompt = decoder.encode_chat([message.model_dump() for message in body.messages])
    except UnusableConversationError as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "unusable_conversation", f"messages: {error}"
        ) from error
    if not 0 < len(prompt) <= settings.max_prompt_tokens:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "prompt_too_long",
            f"the prompt has {len(prompt)} tokens, allowed are 1 to {settings.max_prompt_tokens}",
        )
    return GenerationRequest(
        prompt=prompt,
        max_tokens=min(body.max_tokens or settings.max_answer_tokens, settings.max_answer_tokens),
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
    )


async def _whole(answer: Answer) -> tuple[str, Finished]:
    pieces = []
    while isinstance(event := await answer.next(), Delta):
        pieces.append(event.text)
    return "".join(pieces), event


async def _events(
    answer: Answer, first: Delta | Finished, frame: AnswerFrame
) -> AsyncIterator[str]:
    yield _data(frame.chunk({"role": "assistant", "content": ""}))
    event = first
    try:
        while isinstance(event, Delta):
            if event.text:
                yield _data(frame.chunk({"content": event.text}))
            event = await answer.next()
    except Problem as problem:
        # The status line is gone: the error is an event, and there is no [DONE].
        yield "event: error\n" + _data({**problem.document(), "error": problem.document()})
        return
    yield _data(frame.last_chunk(event))
    yield "data: [DONE]\n\n"


def _data(document: dict[str, object]) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def own(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", f"{key}: {first['msg']}"
        ).response()

    @app.exception_handler(HTTPException)
    async def routing(_request: Request, error: HTTPException) -> Response:
        return Problem(HTTPStatus(error.status_code), "http", str(error.detail)).response()
