"""/v1/fhir: what is recorded of patients: observations, documents, reports, alerts, exchanges."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from reference_stack.api.access import Access, AccessDependency
from reference_stack.api.chat import DISCLAIMERS
from reference_stack.api.clinical_rows import TIMES, Kind, find_one, latest_statement
from reference_stack.api.etags import IfNoneMatch
from reference_stack.api.fhir_answers import (
    PREFIX,
    RESPONSES,
    Count,
    PatientParameter,
    bundle_response,
    patient_id_of,
    resource_response,
)
from reference_stack.api.models import StorableText
from reference_stack.api.paging import (
    CursorParameter,
    decode_cursor,
    encode_cursor,
    page_of,
)
from reference_stack.api.problems import (
    NOT_FOUND,
    REPORT_NOT_FOUND,
)
from reference_stack.api.rows import fetch
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.fhir.resources import (
    Alert,
    DiagnosticReport,
    Exchange,
    Observation,
    Resource,
    communication_resource,
    diagnostic_report_resource,
    document_reference_resource,
    flag_resource,
    observation_resource,
)

router = APIRouter(prefix=PREFIX, default_response_class=Response, responses=RESPONSES)

SELECT_DOCUMENTS: Final = """
SELECT id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256,
    recorded_at, NOT EXISTS (
        SELECT FROM document_version AS later
        WHERE later.document_id = version.document_id AND version.id = ANY (later.history)
    )
FROM document_version AS version
WHERE patient_id = %(patient)s AND (
    %(at)s::timestamptz IS NULL OR (recorded_at, id) < (%(at)s::timestamptz, %(id)s::uuid)
) ORDER BY recorded_at DESC, id DESC LIMIT %(limit)s
"""


async def _latest(
    request: Request, services: Services, access: Access, kind: Kind,
    made_of: Callable[..., Resource], *, conditions: tuple[str, ...], values: dict[str, object],
    count: int, cursor: str | None, if_none_match: str,
) -> Response:  # fmt: skip
    """A page of the latest resources of a kind that its row type makes."""
    at, last = decode_cursor(cursor, datetime, UUID) or (None, None)
    found = await fetch(
        services,
        latest_statement(kind, conditions=conditions),
        {**values, "at": at, "id": last, "limit": count + 1},
    )
    rows, more = page_of(found, count)
    things = [kind(*row) for row in rows]
    access.concerns(*(thing.patient_id for thing in things if thing.patient_id is not None))
    following = encode_cursor(getattr(things[-1], TIMES[kind]), things[-1].id) if more else None
    return bundle_response(request, [made_of(thing) for thing in things], following, if_none_match)


@router.get("/Observation")
async def search_observations(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    patient: PatientParameter,
    code: Annotated[StorableText | None, Query(max_length=100)] = None,
    count: Count = 50,
    cursor: CursorParameter = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """A patient's observations, the latest first; of one LOINC code if one is named."""
    patient_id = patient_id_of(patient)
    access.concerns(patient_id)
    conditions = ("patient_id = %(patient)s", "(%(code)s::text IS NULL OR code = %(code)s)")
    wanted = code.rpartition("|")[2] if code is not None else None
    return await _latest(
        request, services, access, Observation, observation_resource, conditions=conditions,
        values={"patient": patient_id, "code": wanted}, count=count, cursor=cursor,
        if_none_match=if_none_match,
    )  # fmt: skip


@router.get("/Observation/{observation_id}")
async def read_observation(
    observation_id: UUID,
    services: ServicesDependency,
    access: AccessDependency,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """One observation."""
    observation = Observation(*await find_one(services, Observation, observation_id, NOT_FOUND))
    access.concerns(observation.patient_id)
    return resource_response(observation_resource(observation), if_none_match)


@router.get("/DocumentReference")
async def search_documents(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    patient: PatientParameter,
    count: Count = 50,
    cursor: CursorParameter = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """A patient's document versions, the latest first."""
    patient_id = patient_id_of(patient)
    access.concerns(patient_id)
    at, last = decode_cursor(cursor, datetime, UUID) or (None, None)
    values = {"patient": patient_id, "at": at, "id": last, "limit": count + 1}
    rows, more = page_of(await fetch(services, SELECT_DOCUMENTS, values), count)
    resources = [
        document_reference_resource(
            version_id=row[0], document_id=row[1], patient_id=row[2], author_id=row[3],
            title=row[4], content_type=row[5], size_bytes=row[6], sha256=row[7],
            recorded_at=row[8], is_current=row[9],
        )
        for row in rows
    ]  # fmt: skip
    following = encode_cursor(rows[-1][8], rows[-1][0]) if more else None
    return bundle_response(request, resources, following, if_none_match)


@router.get("/DiagnosticReport")
async def search_reports(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    patient: PatientParameter,
    count: Count = 50,
    cursor: CursorParameter = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """A patient's image analyses and reports, the latest first."""
    patient_id = patient_id_of(patient)
    access.concerns(patient_id)
    return await _latest(
        request, services, access, DiagnosticReport, diagnostic_report_resource,
        conditions=("patient_id = %(patient)s",), values={"patient": patient_id}, count=count,
        cursor=cursor, if_none_match=if_none_match,
    )  # fmt: skip


@router.get("/DiagnosticReport/{report_id}")
async def read_report(
    report_id: UUID,
    services: ServicesDependency,
    access: AccessDependency,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """One image analysis or report."""
    row = await find_one(services, DiagnosticReport, report_id, REPORT_NOT_FOUND)
    report = DiagnosticReport(*row)
    access.concerns(report.patient_id)
    return resource_response(diagnostic_report_resource(report), if_none_match)


@router.get("/Flag")
async def search_flags(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    patient: PatientParameter | None = None,
    count: Count = 50,
    cursor: CursorParameter = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Alerts, the latest first: all of a patient, or without one all that are active."""
    patient_id = patient_id_of(patient) if patient is not None else None
    if patient_id is None:
        conditions = ("acknowledged_at IS NULL",)
    else:
        conditions = ("patient_id = %(patient)s",)
        access.concerns(patient_id)
    return await _latest(
        request, services, access, Alert, flag_resource, conditions=conditions,
        values={"patient": patient_id}, count=count, cursor=cursor, if_none_match=if_none_match,
    )  # fmt: skip


@router.get("/Communication")
async def search_communications(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    patient: PatientParameter,
    count: Count = 20,
    cursor: CursorParameter = None,
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Saved exchanges with the assistant about a patient, the latest first."""
    patient_id = patient_id_of(patient)
    access.concerns(patient_id)

    def communication(exchange: Exchange) -> Resource:
        return communication_resource(exchange, DISCLAIMERS[services.settings.mode])

    return await _latest(
        request, services, access, Exchange, communication,
        conditions=("patient_id = %(patient)s",), values={"patient": patient_id}, count=count,
        cursor=cursor, if_none_match=if_none_match,
    )  # fmt: skip
