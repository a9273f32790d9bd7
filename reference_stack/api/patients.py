"""GET /v1/patients: search, and one patient as a FHIR R4 resource."""

import re
import unicodedata
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from reference_stack.api.auth import AuthenticatedClinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import PatientList, PatientSummary
from reference_stack.api.problems import PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.services import Services, ServicesDependency

router = APIRouter()

FHIR_MEDIA_TYPE = "application/fhir+json"

_SUMMARY = "SELECT id, name, birth_date, medical_record_number FROM patient"
SELECT_FIRST = f"{_SUMMARY} ORDER BY name, id LIMIT %s"
SELECT_BY_RECORD_NUMBER = (
    f"{_SUMMARY} WHERE medical_record_number LIKE %s ORDER BY medical_record_number LIMIT %s"
)
SELECT_BY_NAME = f"{_SUMMARY} WHERE search @@ to_tsquery('simple', %s) ORDER BY name, id LIMIT %s"
SELECT_RESOURCE = "SELECT resource::text FROM patient WHERE id = %s"


def search_statement(query: str, limit: int) -> tuple[str, tuple[Any, ...]] | None:
    """The SQL for what a clinician typed, or `None` when it can't match anything.

    Digits are the beginning of a medical record number. Otherwise every word is the beginning of a
    word of the name, whatever its accents and case: "jo silv" finds João da Silva.
    """
    query = query.strip()
    if not query:
        return SELECT_FIRST, (limit,)
    if query.isascii() and query.isdigit():
        return SELECT_BY_RECORD_NUMBER, (f"{query}%", limit)
    decomposed = unicodedata.normalize("NFKD", query).lower()
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    words = re.findall(r"[a-z0-9]+", plain)
    if not words:
        return None
    return SELECT_BY_NAME, (" & ".join(f"{word}:*" for word in words), limit)


@router.get("/v1/patients", response_model=PatientList)
async def search(
    services: ServicesDependency,
    clinician: AuthenticatedClinician,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cache_control: Annotated[str, Header()] = "",
) -> Response:
    """Patients by name or medical record number, ordered by name.

    ``Cache-Control: no-cache`` asks the database whatever the cache knows, as a probe must.
    """
    question = f"search {limit} {query}"
    answer = None
    if "no-cache" not in cache_control:
        answer = await services.lookups.find(clinician.role, question)
    if answer is None:
        answer = (await _search(services, query, limit)).model_dump_json().encode()
        services.lookups.keep(clinician.role, question, answer)
    return Response(answer, media_type="application/json")


async def _search(services: Services, query: str, limit: int) -> PatientList:
    statement = search_statement(query, limit)
    if statement is None:
        return PatientList(items=[])
    sql, parameters = statement

    async def find(connection: FailoverConnection) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(sql, parameters)
        return await cursor.fetchall()

    rows = await services.database.read(find)
    return PatientList(
        items=[
            PatientSummary(id=row[0], name=row[1], birth_date=row[2], medical_record_number=row[3])
            for row in rows
        ]
    )


@router.get("/v1/patients/{patient_id}", response_class=Response)
async def lookup(
    patient_id: UUID,
    services: ServicesDependency,
    clinician: AuthenticatedClinician,
    cache_control: Annotated[str, Header()] = "",
) -> Response:
    """One FHIR R4 Patient, passed on as the database's JSON text without parsing it.

    ``Cache-Control: no-cache`` asks the database whatever the cache knows, as a probe must.
    """
    question = f"patient {patient_id}"
    answer = None
    if "no-cache" not in cache_control:
        answer = await services.lookups.find(clinician.role, question)
    if answer is None:
        answer = (await _resource(services, patient_id)).encode()
        services.lookups.keep(clinician.role, question, answer)
    return Response(answer, media_type=FHIR_MEDIA_TYPE)


async def _resource(services: Services, patient_id: UUID) -> str:
    async def find(connection: FailoverConnection) -> tuple[str] | None:
        cursor = await connection.execute(SELECT_RESOURCE, (patient_id,))
        return await cursor.fetchone()

    row = await services.database.read(find)
    if row is None:
        raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
    return row[0]
