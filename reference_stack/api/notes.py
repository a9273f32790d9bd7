"""GET and POST /v1/patients/{id}/notes: dictated notes, stored exactly once.

The Idempotency-Key is the note's client id and unique in the database, so that a client can send
a note again after any doubt, on any site.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from psycopg.errors import ForeignKeyViolation
from starlette.responses import Response

from reference_stack.api.auth import AuthenticatedClinician, Clinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import Note, NoteList, NoteReceipt, NoteRequest
from reference_stack.api.problems import (
    KEY_REUSED,
    NOT_AUTHENTICATED,
    PATIENT_NOT_FOUND,
    ProblemError,
)
from reference_stack.api.services import ServicesDependency

router = APIRouter()

INSERT_NOTE = """
INSERT INTO note (client_id, patient_id, author_id, text, sequence)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (client_id) DO NOTHING
RETURNING id, recorded_at
"""

# The lock gives the replay a commit of its own, which waits for synchronous replication like any
# other. A plain SELECT could acknowledge a note whose own wait was cancelled, which is visible
# here and nowhere else.
SELECT_REPLAYED = """
SELECT id, recorded_at, patient_id, author_id, text, sequence
FROM note WHERE client_id = %s FOR KEY SHARE
"""

SELECT_NOTES = """
SELECT id, client_id, patient_id, recorded_at, author_id, text, sequence
FROM note WHERE patient_id = %s ORDER BY recorded_at DESC, id LIMIT %s
"""
PATIENT_EXISTS = "SELECT 1 FROM patient WHERE id = %s"


async def store_note(
    connection: FailoverConnection,
    client_id: UUID,
    patient_id: UUID,
    author: Clinician,
    note: NoteRequest,
) -> tuple[NoteReceipt, bool]:
    """Store a note or find the one stored before; returns its receipt and whether it is new.

    Safe to repeat. Raises `ProblemError` for an unknown patient and for a key that belongs to a
    different note.
    """
    content = (patient_id, author.id, note.text, note.sequence)
    try:
        cursor = await connection.execute(INSERT_NOTE, (client_id, *content))
    except ForeignKeyViolation as error:
        if error.diag.constraint_name == "note_patient_id_fkey":
            raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}") from error
        raise ProblemError(NOT_AUTHENTICATED, "the token's clinician is unknown here") from error
    inserted: tuple[UUID, datetime] | None = await cursor.fetchone()
    if inserted is not None:
        return _receipt(client_id, patient_id, inserted), True

    cursor = await connection.execute(SELECT_REPLAYED, (client_id,))
    stored: tuple[Any, ...] | None = await cursor.fetchone()
    if stored is None or stored[2:] != content:
        raise ProblemError(KEY_REUSED, f"Idempotency-Key {client_id}")
    return _receipt(client_id, patient_id, stored[:2]), False


def _receipt(client_id: UUID, patient_id: UUID, row: tuple[Any, ...]) -> NoteReceipt:
    return NoteReceipt(id=row[0], client_id=client_id, patient_id=patient_id, recorded_at=row[1])


@router.post(
    "/v1/patients/{patient_id}/notes",
    status_code=201,
    responses={200: {"model": NoteReceipt, "description": "stored before under the same key"}},
)
async def write_note(
    patient_id: UUID,
    note: NoteRequest,
    idempotency_key: Annotated[UUID, Header()],
    *,
    services: ServicesDependency,
    clinician: AuthenticatedClinician,
    response: Response,
) -> NoteReceipt:
    """Store a note: 201 when new, 200 when the same note was stored before."""
    receipt, is_new = await services.database.write(
        lambda connection: store_note(connection, idempotency_key, patient_id, clinician, note)
    )
    response.status_code = 201 if is_new else 200
    return receipt


@router.get("/v1/patients/{patient_id}/notes")
async def list_notes(
    patient_id: UUID,
    services: ServicesDependency,
    _clinician: AuthenticatedClinician,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> NoteList:
    """A patient's notes, latest first."""

    async def find(connection: FailoverConnection) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(SELECT_NOTES, (patient_id, limit))
        rows = await cursor.fetchall()
        if not rows:
            cursor = await connection.execute(PATIENT_EXISTS, (patient_id,))
            if await cursor.fetchone() is None:
                raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
        return rows

    rows = await services.database.read(find)
    fields = ("id", "client_id", "patient_id", "recorded_at", "author_id", "text", "sequence")
    return NoteList(items=[Note(**dict(zip(fields, row, strict=True))) for row in rows])
