"""Critical alerts: raised, seen, acknowledged; they pass every limit and have a lane of their own.

An alert's version is its entity tag: two who acknowledge the same one do not both think that they
were first. Whoever was stays in it.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.clinical_rows import columns, latest_place, latest_statement
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.etags import IfMatch, require_match, version_etag
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.models import Document, StorableText
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.problems import ALERT_NOT_FOUND, ALERT_SEEN_TO, ProblemError
from reference_stack.api.rows import fetch_page, references_checked
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
    write: WriteDependency,
) -> Response:
    """Call for attention. No limit of users or requests stops it."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        with references_checked(patient_id):
            cursor = await connection.execute(
                INSERT.encode(),
                (uuid4(), patient_id, write.clinician.id, alert.priority, alert.message),
            )
        return _answer(await cursor.fetchone(), 201)

    content = alert.model_dump_json().encode()
    return await write.once(store, content=content, lane="urgent")


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
    statement = latest_statement(
        Alert,
        conditions=(
            "acknowledged_at IS NULL",
            "(%(priority)s::text IS NULL OR priority = %(priority)s)",
        ),
    )
    rows, following = await fetch_page(
        services, statement, {"priority": priority}, latest_place(Alert),
        cursor=cursor, limit=limit,
    )  # fmt: skip
    alerts = [Alert(*row) for row in rows]
    access.concerns(*(alert.patient_id for alert in alerts))
    link_next(request, response, following)
    return AlertList(items=[alert_state(alert) for alert in alerts])


@router.post("/v1/alerts/{alert_id}/acknowledgement", response_model=AlertState)
async def acknowledge(
    *,
    alert_id: UUID,
    write: WriteDependency,
    if_match: IfMatch = "",
) -> Response:
    """Say that somebody sees to it; ``If-Match`` names the version that was read."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        row = await (await connection.execute(LOCK.encode(), (alert_id,))).fetchone()
        if row is None:
            raise ProblemError(ALERT_NOT_FOUND, f"no alert {alert_id}")
        alert = Alert(*row)
        write.access.concerns(alert.patient_id)
        require_match(if_match, version_etag(alert.version))
        if alert.acknowledged_at is not None:
            raise ProblemError(ALERT_SEEN_TO, f"acknowledged by {alert.acknowledged_by}")
        with references_checked(None):
            cursor = await connection.execute(ACKNOWLEDGE.encode(), (write.clinician.id, alert_id))
        return _answer(await cursor.fetchone(), 200)

    return await write.once(store, lane="urgent")


def _answer(row: tuple[object, ...] | None, status: int) -> StoredAnswer:
    if row is None:
        raise ProblemError(ALERT_NOT_FOUND)
    state = alert_state(Alert(*row))  # type: ignore[arg-type]
    return StoredAnswer(
        state.model_dump_json().encode(), status, headers={"ETag": version_etag(state.version)}
    )
