"""Critical alerts: raised, seen, acknowledged; they pass every limit and have a lane of their own.

An alert's version is its entity tag: two who acknowledge the same one do not both think that they
were first.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.auth import AuthenticatedClinician
from reference_stack.api.clinical_rows import columns, latest_statement
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.etags import IfMatch, require_match, version_etag
from reference_stack.api.idempotency import IdempotencyKey, StoredAnswer, write_once
from reference_stack.api.models import Document, StorableText
from reference_stack.api.paging import (
    CursorParameter,
    LimitParameter,
    decode_cursor,
    encode_cursor,
    link_next,
    page_of,
)
from reference_stack.api.problems import ALERT_NOT_FOUND, ProblemError
from reference_stack.api.rows import fetch, references_checked
from reference_stack.api.services import ServicesDependency
from reference_stack.fhir.resources import Alert

router = APIRouter()

Priority = Literal["critical", "high", "routine"]

INSERT = f"""
INSERT INTO alert (id, patient_id, author_id, priority, message)
VALUES (%s, %s, %s, %s, %s) RETURNING {columns(Alert)}
"""  # noqa: S608 - names of this program
LOCK = f"SELECT {columns(Alert)} FROM alert WHERE id = %s FOR UPDATE"  # noqa: S608
ACKNOWLEDGE = f"""
UPDATE alert SET version = version + 1, acknowledged_by = %s, acknowledged_at = clock_timestamp()
WHERE id = %s RETURNING {columns(Alert)}
"""  # noqa: S608


class AlertRequest(Document):
    priority: Priority = "critical"
    message: StorableText = Field(min_length=1, max_length=2000)


class AlertState(Document):
    """An alert; ``version`` is the number in its ``ETag``."""

    id: UUID
    patient_id: UUID
    author_id: UUID
    priority: Priority
    message: str
    raised_at: datetime
    version: int
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None


class AlertList(Document):
    items: list[AlertState]


def alert_state(alert: Alert) -> AlertState:
    return AlertState.model_validate(alert, from_attributes=True)


@router.post("/v1/patients/{patient_id}/alerts", status_code=201, response_model=AlertState)
async def raise_alert(
    *,
    patient_id: UUID,
    alert: AlertRequest,
    idempotency_key: IdempotencyKey,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
) -> Response:
    """Call for attention. No limit of users or requests stops it."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        with references_checked(patient_id):
            cursor = await connection.execute(
                INSERT.encode(),
                (uuid4(), patient_id, clinician.id, alert.priority, alert.message),
            )
        return _answer(await cursor.fetchone(), 201)

    content = alert.model_dump_json().encode()
    return await write_once(
        services, access, request, store, key=idempotency_key, content=content, lane="urgent"
    )


@router.get("/v1/alerts")
async def list_alerts(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    response: Response,
    priority: Priority | None = None,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> AlertList:
    """Alerts that nobody has acknowledged, the latest first; of one priority if one is named."""
    at, last = decode_cursor(cursor, datetime, UUID) or (None, None)
    statement = latest_statement(
        Alert,
        conditions=(
            "acknowledged_at IS NULL",
            "(%(priority)s::text IS NULL OR priority = %(priority)s)",
        ),
    )
    found = await fetch(
        services, statement, {"priority": priority, "at": at, "id": last, "limit": limit + 1}
    )
    rows, more = page_of(found, limit)
    alerts = [Alert(*row) for row in rows]
    access.concerns(*(alert.patient_id for alert in alerts))
    following = encode_cursor(alerts[-1].raised_at, alerts[-1].id) if more else None
    link_next(request, response, following)
    return AlertList(items=[alert_state(alert) for alert in alerts])


@router.post("/v1/alerts/{alert_id}/acknowledgement", response_model=AlertState)
async def acknowledge(
    *,
    alert_id: UUID,
    idempotency_key: IdempotencyKey,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    if_match: IfMatch = "",
) -> Response:
    """Say that somebody sees to it; ``If-Match`` names the version that was read."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        row = await (await connection.execute(LOCK.encode(), (alert_id,))).fetchone()
        if row is None:
            raise ProblemError(ALERT_NOT_FOUND, f"no alert {alert_id}")
        alert = Alert(*row)
        access.concerns(alert.patient_id)
        require_match(if_match, version_etag(alert.version))
        with references_checked(None):
            cursor = await connection.execute(ACKNOWLEDGE.encode(), (clinician.id, alert_id))
        return _answer(await cursor.fetchone(), 200)

    return await write_once(services, access, request, store, key=idempotency_key, lane="urgent")


def _answer(row: tuple[object, ...] | None, status: int) -> StoredAnswer:
    if row is None:
        raise ProblemError(ALERT_NOT_FOUND)
    state = alert_state(Alert(*row))  # type: ignore[arg-type]
    return StoredAnswer(
        state.model_dump_json().encode(), status, headers={"ETag": version_etag(state.version)}
    )
