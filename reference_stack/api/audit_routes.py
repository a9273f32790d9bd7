"""/v1/audit: the trail for those who audit, and the heads of its chains to be noted elsewhere.

Whoever can change every row of the database could also drop the end of a chain. A head that an
auditor wrote down outside is what that can be told by: see `audit_verify`.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.models import Document
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.rows import Place, fetch_page
from reference_stack.api.services import ServicesDependency

router = APIRouter()

SELECT_EVENTS: Final = """
SELECT id, recorded_at, site, actor_id, actor_role, patients, purpose, route, outcome, status,
    request_id
FROM audit_event
WHERE (%(patient)s::uuid IS NULL OR patients @> ARRAY[%(patient)s::uuid])
    AND (%(actor)s::uuid IS NULL OR actor_id = %(actor)s::uuid)
    AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR recorded_at < %(until)s::timestamptz)
    AND (%(at)s::timestamptz IS NULL OR (recorded_at, id) < (%(at)s::timestamptz, %(id)s::uuid))
ORDER BY recorded_at DESC, id DESC LIMIT %(limit)s
"""
SELECT_SEALS: Final = """
SELECT chain, number, encode(previous, 'hex'), encode(hash, 'hex'), cardinality(members), sealed_at
FROM audit_seal
WHERE %(at)s::timestamptz IS NULL OR (sealed_at, chain) < (%(at)s::timestamptz, %(chain)s::uuid)
ORDER BY sealed_at DESC, chain DESC LIMIT %(limit)s
"""
PLACE_OF_EVENT: Final[Place] = {"at": (1, datetime), "id": (0, UUID)}
PLACE_OF_SEAL: Final[Place] = {"at": (5, datetime), "chain": (0, UUID)}


class EventState(Document):
    """One access: who, whose data, for what, when, with what outcome."""

    id: UUID
    recorded_at: datetime
    site: str
    actor_id: UUID | None
    actor_role: str | None
    patients: list[UUID]
    purpose: str
    route: str
    outcome: str
    status: int
    request_id: str


class EventList(Document):
    items: list[EventState]


class SealState(Document):
    """One seal; hashes in hexadecimal."""

    chain: UUID
    number: int
    previous: str
    hash: str
    events: int
    sealed_at: datetime


class SealList(Document):
    items: list[SealState]


@router.get("/v1/audit/events")
async def events(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    response: Response,
    patient_id: UUID | None = None,
    actor_id: UUID | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> EventList:
    """Accesses, the latest first: to one patient, by one clinician, within a time."""
    if patient_id is not None:
        access.concerns(patient_id)
    values = {"patient": patient_id, "actor": actor_id, "since": since, "until": until}
    rows, following = await fetch_page(
        services, SELECT_EVENTS, values, PLACE_OF_EVENT, cursor=cursor, limit=limit
    )
    link_next(request, response, following)
    fields = EventState.model_fields
    return EventList(items=[EventState(**dict(zip(fields, row, strict=True))) for row in rows])


@router.get("/v1/audit/seals")
async def seals(
    request: Request,
    services: ServicesDependency,
    response: Response,
    limit: LimitParameter = 20,
    cursor: CursorParameter = None,
) -> SealList:
    """The seals over the trail, the latest first; note the newest of each chain elsewhere."""
    rows, following = await fetch_page(
        services, SELECT_SEALS, {}, PLACE_OF_SEAL, cursor=cursor, limit=limit
    )
    link_next(request, response, following)
    fields = SealState.model_fields
    return SealList(items=[SealState(**dict(zip(fields, row, strict=True))) for row in rows])
