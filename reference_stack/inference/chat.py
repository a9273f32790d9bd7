"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from reference_stack.inference.answer import Answer, engine_unavailable
from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import (
    Decoder,
    Delta,
    Finished,
    GenerationRequest,
    UnusableConversationError,
)
from reference_stack.inference.jobs import UnavailableError
from reference_stack.inference.schemas import AnswerFrame, ChatRequest, StreamOptions
from reference_stack.inference.settings import InferenceSettings
from reference_stack.serving.held_stream import HeldStream
from reference_stack.serving.leaving import (
    ClientGoneError,
    client_gone,
    patience_s,
    unless_client_leaves,
)
from reference_stack.serving.model_names import require_model
from reference_stack.serving.problem import Problem, bad_request

# A millisecond per 1,000 characters or so, in which no other answer's tokens would be sent.
_ENCODED_AT_ONCE_CHARACTERS = 20_000


def chat_routes(settings: InferenceSettings, engine: Engine) -> APIRouter:
    """The chat endpoint over `engine`."""
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def chat(body: ChatRequest, request: Request) -> Response:
        generation = await _generation_request(body, settings, engine)
        frame = AnswerFrame(
            id=f"chatcmpl-{uuid.uuid4().hex}", created=int(time.time()), model=settings.model_name
        )
        answer = Answer(engine, generation, patience_s(request))
        try:
            if not body.stream:
                text, finished = await unless_client_leaves(request, _whole(answer))
                return JSONResponse(frame.completion(text, finished))
            # The status line waits for the first token, so that an error can still be one.
            first = await unless_client_leaves(request, answer.next())
            return HeldStream(
                _events(answer, first, frame, body.stream_options),
                release=answer.aclose,
                media_type="text/event-stream",
                headers={"Cache-Control": "no-store"},
            )
        except ClientGoneError:
            await answer.aclose()
            return client_gone()
        except BaseException:
            await answer.aclose()
            raise

    return router


async def _generation_request(
    body: ChatRequest, settings: InferenceSettings, engine: Engine
) -> GenerationRequest:
    require_model(body.model, settings.model_name)
    try:
        decoder = engine.decoder
    except UnavailableError as error:
        raise engine_unavailable(error.state, str(error)) from error
    try:
        prompt = await _encoded(decoder, body)
    except UnusableConversationError as error:
        raise bad_request("unusable_conversation", f"messages: {error}", "messages") from error
    if not 0 < len(prompt) <= settings.max_prompt_tokens:
        raise bad_request(
            "context_length_exceeded",
            f"the prompt has {len(prompt)} tokens, allowed are 1 to {settings.max_prompt_tokens}",
            "messages",
        )
    longest = settings.max_answer_tokens
    return GenerationRequest(
        prompt=prompt,
        max_tokens=min(body.max_completion_tokens or body.max_tokens or longest, longest),
        temperature=body.temperature or 0.0,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=body.stops,
    )


async def _encoded(decoder: Decoder, body: ChatRequest) -> tuple[int, ...]:
    turns = [message.turn() for message in body.messages]
    if sum(len(turn["content"]) for turn in turns) <= _ENCODED_AT_ONCE_CHARACTERS:
        return decoder.encode_chat(turns)
    return await asyncio.to_thread(decoder.encode_chat, turns)


async def _whole(answer: Answer) -> tuple[str, Finished]:
    pieces = []
    while isinstance(event := await answer.next(), Delta):
        pieces.append(event.text)
    return "".join(pieces), event


async def _events(
    answer: Answer, first: Delta | Finished, frame: AnswerFrame, options: StreamOptions | None
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
        yield "event: error\n" + _data(problem.document())
        return
    for chunk in frame.last_chunks(event, options):
        yield _data(chunk)
    yield "data: [DONE]\n\n"


def _data(document: dict[str, object]) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"
