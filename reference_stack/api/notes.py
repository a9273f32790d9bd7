"""GET and POST /v1/patients/{id}/notes: dictated notes, stored exactly once.

The Idempotency-Key is the note's client id and unique in the database, so that a client can send
a note again after any doubt, on any site. Note and audit event are one statement, thus one
transaction without round trips to begin and end it.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from reference_stack.api.access import AccessDependency, note_recorded
from reference_stack.api.audit_event import COLUMN_TYPES, FIELDS
from reference_stack.api.auth import AuthenticatedClinician, Clinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import Note, NoteList, NoteReceipt, NoteRequest
from reference_stack.api.paging import CursorParameter, link_next
from reference_stack.api.problems import KEY_REUSED, ProblemError
from reference_stack.api.rows import Place, fetch_page, references_checked
from reference_stack.api.services import ServicesDependency

router = APIRouter()

_EVENT = ", ".join(FIELDS)
INSERT_NOTE = f"""
WITH stored AS (
    INSERT INTO note (client_id, patient_id, author_id, text, sequence)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (client_id) DO NOTHING
    RETURNING id, recorded_at
), audited AS (
    INSERT INTO audit_event ({_EVENT})
    SELECT e.* FROM (
        VALUES ({", ".join(f"%s::{kind}" for kind in COLUMN_TYPES)})
    ) AS e, stored
    ON CONFLICT (id) DO NOTHING
)
SELECT id, recorded_at FROM stored
"""  # noqa: S608 - names of this program

# The lock gives the replay a commit of its own, which waits for synchronous replication like any
# other. A plain SELECT could acknowledge a note whose own wait was cancelled, which is visible
# here and nowhere else.
SELECT_REPLAYED = """
SELECT id, recorded_at, patient_id, author_id, text, sequence
FROM note WHERE client_id = %s FOR KEY SHARE
"""

SELECT_NOTES = """
SELECT id, client_id, patient_id, recorded_at, author_id, text, sequence
FROM note WHERE patient_id = %(patient)s AND (
    %(at)s::timestamptz IS NULL OR recorded_at < %(at)s OR (recorded_at = %(at)s AND id > %(id)s)
) ORDER BY recorded_at DESC, id LIMIT %(limit)s
"""
PLACE: Place = {"at": (3, datetime), "id": (0, UUID)}


async def store_note(
    connection: FailoverConnection,
    client_id: UUID,
    patient_id: UUID,
    author: Clinician,
    note: NoteRequest,
    *,
    event_row: tuple[object, ...],
) -> tuple[NoteReceipt, bool]:
    """Store a note or find the one stored before; returns its receipt and whether it is new.

    ``event_row`` (`AuditEvent.row`) is stored with a new note. Safe to repeat. Raises
    `ProblemError` for an unknown patient and for a key that belongs to a different note.
    """
    content = (patient_id, author.id, note.text, note.sequence)
    with references_checked(patient_id):
        cursor = await connection.execute(INSERT_NOTE.encode(), (client_id, *content, *event_row))
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
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    response: Response,
) -> NoteReceipt:
    """Store a note: 201 when new, 200 when the same note was stored before."""
    event = access.event(201)
    event_row = services.trail.row(event)
    receipt, is_new = await services.database.write(
        lambda connection: store_note(
            connection, idempotency_key, patient_id, clinician, note, event_row=event_row
        )
    )
    if is_new:
        note_recorded(services, access, event)
    response.status_code = 201 if is_new else 200
    return receipt


@router.get("/v1/patients/{patient_id}/notes")
async def list_notes(
    *,
    patient_id: UUID,
    request: Request,
    services: ServicesDependency,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: CursorParameter = None,
) -> NoteList:
    """A patient's notes, latest first."""
    rows, following = await fetch_page(
        services, SELECT_NOTES, {"patient": patient_id}, PLACE,
        cursor=cursor, limit=limit, patient_id=patient_id,
    )  # fmt: skip
    link_next(request, response, following)
    fields = ("id", "client_id", "patient_id", "recorded_at", "author_id", "text", "sequence")
    return NoteList(items=[Note(**dict(zip(fields, row, strict=True))) for row in rows])
