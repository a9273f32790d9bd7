"""POST /v1/chat: a clinician's question, answered by the site's language model as it speaks.

With an ``Idempotency-Key`` the exchange is saved, all or nothing: after the last token and before
``[DONE]`` it is stored in one transaction, and ``event: saved`` says so. A stream that ends
otherwise has saved nothing. Sent again with the same key, the question gets the saved answer, or is
answered anew. Without a key nothing is saved.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from reference_stack.api import exchanges
from reference_stack.api.access import Access, AccessDependency, audited_write
from reference_stack.api.auth import AuthenticatedClinician, Clinician
from reference_stack.api.chat_context import PatientContext, messages_within
from reference_stack.api.chat_rows import patient_context
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import (
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    WriteOutcomeUnknownError,
)
from reference_stack.api.inference_client import (
    Answer,
    InferenceBrokenError,
    inference_problems,
)
from reference_stack.api.models import ChatRequest
from reference_stack.api.problems import (
    DATABASE_UNAVAILABLE,
    INFERENCE_BROKEN,
    INFERENCE_REFUSED,
    OUTCOME_UNKNOWN,
    READ_ONLY,
    ProblemError,
    ProblemKind,
    problem_document,
)
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.serving.held_stream import HeldStream
from reference_stack.serving.leaving import ClientGoneError, client_gone, unless_client_leaves

router = APIRouter()
logger = logging.getLogger(__name__)

DISCLAIMERS: Final = {
    "normal": (
        "Gerado por um modelo de linguagem. Não é um dispositivo médico nem um diagnóstico: a "
        "decisão é do profissional de saúde."
    ),
    "emergency": (
        "Operação de emergência: apenas respostas básicas. Gerado por um modelo de linguagem. Não "
        "é um dispositivo médico nem um diagnóstico: a decisão é do profissional de saúde."
    ),
}

NOT_SAVED: Final[dict[type[Exception], ProblemKind]] = {
    DatabaseUnavailableError: DATABASE_UNAVAILABLE,
    DatabaseReadOnlyError: READ_ONLY,
    WriteOutcomeUnknownError: OUTCOME_UNKNOWN,
}

_EVENT_STREAM: Final[dict[str, Any]] = {
    "media_type": "text/event-stream",
    "headers": {"Cache-Control": "no-store"},
}

OptionalKey = Annotated[
    UUID | None, Header(alias="Idempotency-Key", description="to have the exchange saved")
]


class _Exchange:
    """One exchange on its way: who asks what, and under which key it is to be saved, if any."""

    def __init__(
        self, services: Services, access: Access, clinician: Clinician, question: ChatRequest,
        key: UUID | None,
    ) -> None:  # fmt: skip
        self.services = services
        self.access = access
        self.clinician = clinician
        self.question = question
        self.key = key

    async def saved_answer(self) -> str | None:
        """What was saved under the key before."""
        key = self.key
        if key is None:
            return None
        return await self.services.database.write(
            lambda connection: exchanges.saved_answer(
                connection, key, self.clinician, self.question
            )
        )

    async def save(self, answer: str) -> bytes:
        """Save the exchange; returns the event that says so, or why not."""
        key = self.key
        if key is None:
            return b""
        try:
            await audited_write(
                self.services, self.access,
                lambda connection: exchanges.save(
                    connection, key, self.clinician, self.question, answer
                ),
                status_of=lambda _: 200,
            )  # fmt: skip
        except tuple(NOT_SAVED) as error:
            logger.warning("an exchange was not saved: %s", error)
            return _event("error", problem_document(NOT_SAVED[type(error)], str(error)))
        except ProblemError as error:
            return _event("error", problem_document(error.kind, error.detail))
        saved = {"id": key, "conversation_id": exchanges.conversation_of(self.question, key)}
        return _event("saved", orjson.dumps(saved))

    async def messages(self) -> list[dict[str, str]]:
        """What the model is asked, within the context's tokens."""
        settings, question = self.services.settings, self.question
        context: PatientContext | None = None
        history: list[tuple[str, str]] = []
        if question.patient_id is not None or question.conversation_id is not None:
            context, history = await self.services.database.read(self._known)
        answer_tokens = min(question.max_tokens or settings.chat_max_answer_tokens,
                            settings.chat_max_answer_tokens)  # fmt: skip
        return messages_within(
            settings.chat_system_prompt, context, history, question.message,
            prompt_tokens=settings.chat_context_tokens - answer_tokens,
            patient_tokens=settings.chat_patient_tokens,
        )  # fmt: skip

    async def _known(
        self, connection: FailoverConnection
    ) -> tuple[PatientContext | None, list[tuple[str, str]]]:
        question = self.question
        patient = question.patient_id
        context = await patient_context(connection, patient) if patient is not None else None
        if question.conversation_id is None:
            return context, []
        cursor = await connection.execute(
            exchanges.SELECT_HISTORY, (self.clinician.id, question.conversation_id, patient)
        )
        return context, [(asked, answered) for asked, answered in await cursor.fetchall()]


@router.post(
    "/v1/chat",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "the answer's events"}},
)
async def chat(
    *,
    question: ChatRequest,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Stream the answer; until its first token everything can still be refused with a problem."""
    if question.patient_id is not None:
        access.concerns(question.patient_id)
    exchange = _Exchange(services, access, clinician, question, idempotency_key)
    saved = await exchange.saved_answer()
    if saved is not None:
        return StreamingResponse(_replay(exchange, saved), **_EVENT_STREAM)
    messages = await exchange.messages()
    limit = services.settings.chat_max_answer_tokens
    try:
        with inference_problems(INFERENCE_REFUSED):
            answer = await unless_client_leaves(
                request,
                services.inference.begin_answer(
                    messages, max_tokens=min(question.max_tokens or limit, limit)
                ),
            )
    except ClientGoneError:
        return client_gone()
    return HeldStream(_events(answer, exchange), release=answer.aclose, **_EVENT_STREAM)


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _meta(exchange: _Exchange, *, is_replayed: bool) -> bytes:
    settings = exchange.services.settings
    meta: dict[str, Any] = {
        "site": settings.site,
        "mode": settings.mode,
        "disclaimer": DISCLAIMERS[settings.mode],
    }
    if exchange.key is not None:
        meta["replayed"] = is_replayed
    return _event("meta", orjson.dumps(meta))


async def _replay(exchange: _Exchange, answer: str) -> AsyncIterator[bytes]:
    yield _meta(exchange, is_replayed=True)
    chunk = {"choices": [{"index": 0, "delta": {"content": answer}}]}
    yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _events(answer: Answer, exchange: _Exchange) -> AsyncIterator[bytes]:
    spoken: list[str] = []
    try:
        yield _meta(exchange, is_replayed=False)
        async for chunk in answer.chunks():
            if exchange.key is not None:
                spoken.append(_words(chunk))
            yield b"data: " + chunk.replace(b"\n", b"\ndata: ") + b"\n\n"
        # A client that leaves now leaves a whole exchange behind, or none.
        if outcome := await asyncio.shield(exchange.save("".join(spoken))):
            yield outcome
            if outcome.startswith(b"event: error"):
                return
        yield b"data: [DONE]\n\n"
    except InferenceBrokenError as error:
        logger.warning("chat broke off: %s", error)
        yield _event("error", problem_document(INFERENCE_BROKEN, str(error)))


def _words(chunk: bytes) -> str:
    """The piece of the answer in one chunk; empty in those that hold none (its role, its usage)."""
    try:
        choices = orjson.loads(chunk)["choices"]
        return str(choices[0]["delta"].get("content") or "") if choices else ""
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InferenceBrokenError(f"inference sent what is no chunk: {error}") from error
