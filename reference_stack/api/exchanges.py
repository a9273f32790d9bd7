"""Saved exchanges with the assistant: a question and its whole answer, or nothing of either."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.auth import AuthenticatedClinician, Clinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import ChatRequest, Document
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.problems import KEY_REUSED, ProblemError
from reference_stack.api.rows import Place, fetch_page, references_checked
from reference_stack.api.services import ServicesDependency

router = APIRouter()

INSERT: Final = """
INSERT INTO chat_exchange (id, conversation_id, clinician_id, patient_id, question, answer)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING
"""
# The lock gives a replay a commit of its own, as for notes.
SELECT_SAVED: Final = """
SELECT clinician_id, conversation_id, patient_id, question, answer
FROM chat_exchange WHERE id = %s FOR KEY SHARE
"""
SELECT_HISTORY: Final = """
SELECT question, answer FROM chat_exchange
WHERE clinician_id = %s AND conversation_id = %s AND patient_id IS NOT DISTINCT FROM %s
ORDER BY answered_at DESC, id DESC LIMIT 20
"""
SELECT_CONVERSATION: Final = """
SELECT id, patient_id, question, answer, answered_at FROM chat_exchange
WHERE clinician_id = %(clinician)s AND conversation_id = %(conversation)s AND (
    %(at)s::timestamptz IS NULL OR (answered_at, id) > (%(at)s::timestamptz, %(id)s::uuid)
) ORDER BY answered_at, id LIMIT %(limit)s
"""
PLACE: Final[Place] = {"at": (4, datetime), "id": (0, UUID)}


class ExchangeState(Document):
    id: UUID
    patient_id: UUID | None
    question: str
    answer: str
    answered_at: datetime


class ExchangeList(Document):
    items: list[ExchangeState]


def conversation_of(question: ChatRequest, key: UUID) -> UUID:
    """The conversation an exchange belongs to: its own if none was named."""
    return question.conversation_id or key


async def saved_answer(
    connection: FailoverConnection, key: UUID, clinician: Clinician, question: ChatRequest
) -> str | None:
    """The answer saved under this key; raises `ProblemError` when it is another exchange's."""
    row = await (await connection.execute(SELECT_SAVED, (key,))).fetchone()
    if row is None:
        return None
    asked = (
        *(clinician.id, conversation_of(question, key), question.patient_id),
        question.message,
    )
    if row[:4] != asked:
        raise ProblemError(KEY_REUSED, f"Idempotency-Key {key}")
    return str(row[4])


async def save(
    connection: FailoverConnection, key: UUID, clinician: Clinician, question: ChatRequest,
    answer: str,
) -> None:  # fmt: skip
    """Save an exchange; safe to repeat.

    Raises `ProblemError` when another answer was saved under the key meanwhile: this one is not
    what the clinician will find.
    """
    answer = answer.replace("\x00", "")
    with references_checked(question.patient_id):
        cursor = await connection.execute(
            INSERT,
            (
                *(key, conversation_of(question, key), clinician.id, question.patient_id),
                *(question.message, answer),
            ),
        )
    if cursor.rowcount == 0 and await saved_answer(connection, key, clinician, question) != answer:
        raise ProblemError(KEY_REUSED, "another answer was saved meanwhile: ask again to see it")


@router.get("/v1/conversations/{conversation_id}")
async def conversation(
    *,
    conversation_id: UUID,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    response: Response,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> ExchangeList:
    """A conversation of the clinician's own, from its beginning; empty when there is none."""
    rows, following = await fetch_page(
        services, SELECT_CONVERSATION,
        {"clinician": clinician.id, "conversation": conversation_id}, PLACE,
        cursor=cursor, limit=limit,
    )  # fmt: skip
    access.concerns(*(row[1] for row in rows if row[1] is not None))
    link_next(request, response, following)
    fields = ("id", "patient_id", "question", "answer", "answered_at")
    return ExchangeList(
        items=[ExchangeState(**dict(zip(fields, row, strict=True))) for row in rows]
    )
