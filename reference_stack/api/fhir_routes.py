"""/v1/fhir: what is recorded of patients: observations, documents, reports, alerts, exchanges."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.chat import DISCLAIMERS
from reference_stack.api.clinical_rows import Kind, find_one, latest_place, latest_statement
from reference_stack.api.etags import IfNoneMatch
from reference_stack.api.fhir_answers import (
    PREFIX,
    RESPONSES,
    LongSearch,
    PatientParameter,
    Search,
    ShortSearch,
    patient_id_of,
    resource_response,
)
from reference_stack.api.models import StorableText
from reference_stack.api.problems import NOT_FOUND, REPORT_NOT_FOUND
from reference_stack.api.rows import Place
from reference_stack.api.services import ServicesDependency
from reference_stack.fhir.codes import LOINC, STORED_CODES
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
PLACE_OF_DOCUMENT: Final[Place] = {"at": (8, datetime), "id": (0, UUID)}
OF_PATIENT: Final = ("patient_id = %(patient)s",)


async def _latest(
    asked: Search, kind: Kind, made_of: Callable[..., Resource],
    *, conditions: tuple[str, ...] = OF_PATIENT, **values: object,
) -> Response:  # fmt: skip
    """A page of the latest resources of a kind that its row type makes."""
    statement = latest_statement(kind, conditions=conditions)
    rows, following = await asked.page(statement, values, latest_place(kind))
    things = [kind(*row) for row in rows]
    asked.access.concerns(*(thing.patient_id for thing in things if thing.patient_id is not None))
    return asked.answer([made_of(thing) for thing in things], following)


def _patient(asked: Search, patient: str) -> UUID:
    """The patient a search is about, noted with the access whatever is found."""
    patient_id = patient_id_of(patient)
    asked.access.concerns(patient_id)
    return patient_id


def loinc_codes(text: str) -> list[str]:
    """The stored codes that a token search names: ``code`` or ``system|code``, by commas."""
    words = [word.rpartition("|") for word in text.split(",")]
    named = [code for system, bar, code in words if system == LOINC or not bar]
    return [STORED_CODES.get(code, code) for code in named]


@router.get("/Observation")
async def search_observations(
    asked: LongSearch,
    patient: PatientParameter,
    code: Annotated[StorableText | None, Query(max_length=400)] = None,
) -> Response:
    """A patient's observations, the latest first; of some LOINC codes if any are named."""
    return await _latest(
        asked, Observation, observation_resource,
        conditions=(*OF_PATIENT, "(%(codes)s::text[] IS NULL OR code = ANY (%(codes)s))"),
        patient=_patient(asked, patient), codes=loinc_codes(code) if code is not None else None,
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
async def search_documents(asked: LongSearch, patient: PatientParameter) -> Response:
    """A patient's document versions, the latest first."""
    values = {"patient": _patient(asked, patient)}
    rows, following = await asked.page(SELECT_DOCUMENTS, values, PLACE_OF_DOCUMENT)
    resources = [
        document_reference_resource(
            version_id=row[0], document_id=row[1], patient_id=row[2], author_id=row[3],
            title=row[4], content_type=row[5], size_bytes=row[6], sha256=row[7],
            recorded_at=row[8], is_current=row[9],
        )
        for row in rows
    ]  # fmt: skip
    return asked.answer(resources, following)


@router.get("/DiagnosticReport")
async def search_reports(asked: LongSearch, patient: PatientParameter) -> Response:
    """A patient's image analyses and reports, the latest first."""
    return await _latest(
        asked, DiagnosticReport, diagnostic_report_resource, patient=_patient(asked, patient)
    )


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
async def search_flags(asked: LongSearch, patient: PatientParameter | None = None) -> Response:
    """Alerts, the latest first: all of a patient, or without one all that are active."""
    if patient is None:
        active = ("acknowledged_at IS NULL",)
        return await _latest(asked, Alert, flag_resource, conditions=active)
    return await _latest(asked, Alert, flag_resource, patient=_patient(asked, patient))


@router.get("/Communication")
async def search_communications(asked: ShortSearch, patient: PatientParameter) -> Response:
    """Saved exchanges with the assistant about a patient, the latest first."""

    def communication(exchange: Exchange) -> Resource:
        return communication_resource(exchange, DISCLAIMERS[asked.services.settings.mode])

    return await _latest(asked, Exchange, communication, patient=_patient(asked, patient))
