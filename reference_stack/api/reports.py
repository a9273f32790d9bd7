"""Reports: asked for at once, made by the queue, then a document like any other."""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.etags import IfNoneMatch, content_response
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.models import Document
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.problems import REPORT_NOT_FOUND, ProblemError
from reference_stack.api.rows import Place, fetch, fetch_page, references_checked
from reference_stack.api.services import ServicesDependency

router = APIRouter()

FIELDS = "id, patient_id, requested_by, state, failure, document_id, requested_at, finished_at"
INSERT = f"""
INSERT INTO job (id, kind, patient_id, requested_by) VALUES (%s, 'patient-report', %s, %s)
RETURNING {FIELDS}
"""  # noqa: S608 - names of this module
SELECT = f"SELECT {FIELDS} FROM job WHERE id = %s"  # noqa: S608
SELECT_OF_PATIENT = f"""
SELECT {FIELDS} FROM job WHERE patient_id = %(patient)s AND (
    %(at)s::timestamptz IS NULL OR requested_at < %(at)s
    OR (requested_at = %(at)s AND id > %(id)s)
) ORDER BY requested_at DESC, id LIMIT %(limit)s
"""  # noqa: S608
PLACE: Place = {"at": (6, datetime), "id": (0, UUID)}


class ReportState(Document):
    """``document_id`` names the report's document once ``state`` is done."""

    id: UUID
    patient_id: UUID
    requested_by: UUID
    state: Literal["queued", "running", "done", "failed"]
    failure: str | None
    document_id: UUID | None
    requested_at: datetime
    finished_at: datetime | None


class ReportList(Document):
    items: list[ReportState]


def _state(row: tuple[object, ...]) -> ReportState:
    return ReportState.model_validate(dict(zip(FIELDS.split(", "), row, strict=True)))


@router.post("/v1/patients/{patient_id}/reports", status_code=202, response_model=ReportState)
async def request_report(patient_id: UUID, write: WriteDependency) -> Response:
    """Have a report made; ``Location`` says where to see how far it is."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        with references_checked(patient_id):
            cursor = await connection.execute(
                INSERT.encode(), (uuid4(), patient_id, write.clinician.id)
            )
        row = await cursor.fetchone()
        if row is None:
            raise ProblemError(REPORT_NOT_FOUND)
        state = _state(row)
        return StoredAnswer(
            state.model_dump_json().encode(), 202, headers={"Location": f"/v1/reports/{state.id}"}
        )

    return await write.once(store)


@router.get("/v1/patients/{patient_id}/reports")
async def list_reports(
    *,
    patient_id: UUID,
    request: Request,
    services: ServicesDependency,
    response: Response,
    limit: LimitParameter = 20,
    cursor: CursorParameter = None,
) -> ReportList:
    """The reports asked for on a patient, the latest first."""
    rows, following = await fetch_page(
        services, SELECT_OF_PATIENT, {"patient": patient_id}, PLACE,
        cursor=cursor, limit=limit, patient_id=patient_id,
    )  # fmt: skip
    link_next(request, response, following)
    return ReportList(items=[_state(row) for row in rows])


@router.get("/v1/reports/{report_id}", response_model=ReportState)
async def report_state(
    report_id: UUID,
    services: ServicesDependency,
    access: AccessDependency,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """How far a report is."""
    rows = await fetch(services, SELECT, (report_id,))
    if not rows:
        raise ProblemError(REPORT_NOT_FOUND, f"no report {report_id}")
    state = _state(rows[0])
    access.concerns(state.patient_id)
    return content_response(state.model_dump_json().encode(), "application/json", if_none_match)
