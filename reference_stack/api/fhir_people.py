"""/v1/fhir: patients and staff, and what of FHIR this service does."""

from datetime import date
from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from reference_stack.api.etags import IfNoneMatch, content_response
from reference_stack.api.fhir_answers import (
    PREFIX,
    RESPONSES,
    LongSearch,
    ShortSearch,
    resource_response,
)
from reference_stack.api.models import StorableText
from reference_stack.api.patient_search import folded_words
from reference_stack.api.patients import patient_content
from reference_stack.api.problems import CLINICIAN_NOT_FOUND, ProblemError
from reference_stack.api.rows import Place, fetch
from reference_stack.api.services import ServicesDependency
from reference_stack.fhir.capability import capability_statement
from reference_stack.fhir.resources import MEDIA_TYPE, practitioner_resource

router = APIRouter(prefix=PREFIX, default_response_class=Response, responses=RESPONSES)

SELECT_PATIENTS: Final = """
SELECT id, name, resource::text FROM patient
WHERE (%(words)s::text IS NULL OR search @@ to_tsquery('simple', %(words)s))
    AND (%(identifier)s::jsonb IS NULL OR resource->'identifier' @> %(identifier)s::jsonb)
    AND (%(birthdate)s::date IS NULL OR birth_date = %(birthdate)s::date)
    AND (%(id)s::uuid IS NULL OR (name, id) > (%(name)s::text, %(id)s::uuid))
ORDER BY name, id LIMIT %(limit)s
"""
SELECT_STAFF: Final = """
SELECT id, name, role, active FROM clinician
WHERE (%(id)s::uuid IS NULL OR (name, id) > (%(name)s::text, %(id)s::uuid))
ORDER BY name, id LIMIT %(limit)s
"""
BY_NAME: Final[Place] = {"name": (1, str), "id": (0, UUID)}


@router.get("/metadata")
async def metadata(if_none_match: IfNoneMatch = "") -> Response:
    """What of FHIR this service does."""
    return resource_response(capability_statement(), if_none_match)


@router.get("/Patient")
async def search_patients(
    asked: ShortSearch,
    name: Annotated[StorableText | None, Query(max_length=200)] = None,
    identifier: Annotated[
        StorableText | None, Query(max_length=200, description="value, or system|value")
    ] = None,
    birthdate: date | None = None,
) -> Response:
    """Patients by the beginnings of their names, by CPF, CNS or record number, by birth date."""
    words = folded_query(name) if name is not None else None
    if words == "":
        return asked.answer([], None)
    values = {
        "words": words, "identifier": identifier_filter(identifier), "birthdate": birthdate,
    }  # fmt: skip
    rows, following = await asked.page(SELECT_PATIENTS, values, BY_NAME)
    asked.access.concerns(*(row[0] for row in rows))
    return asked.answer([orjson.loads(row[2]) for row in rows], following)


def folded_query(name: str) -> str:
    """A tsquery of prefixes; empty when no word is in it."""
    return " & ".join(f"{word}:*" for word in folded_words(name))


def identifier_filter(identifier: str | None) -> str | None:
    """The JSON that a patient's identifiers must contain, from ``value`` or ``system|value``."""
    if identifier is None:
        return None
    system, separator, value = identifier.rpartition("|")
    wanted = {"value": value, **({"system": system} if separator and system else {})}
    return orjson.dumps([wanted]).decode()


@router.get("/Patient/{patient_id}")
async def read_patient(
    patient_id: UUID, services: ServicesDependency, if_none_match: IfNoneMatch = ""
) -> Response:
    """One Patient, always from the database."""
    return content_response(await patient_content(services, patient_id), MEDIA_TYPE, if_none_match)


@router.get("/Practitioner")
async def search_practitioners(asked: LongSearch) -> Response:
    """The staff, by name."""
    rows, following = await asked.page(SELECT_STAFF, {}, BY_NAME)
    return asked.answer([practitioner_resource(*row) for row in rows], following)


@router.get("/Practitioner/{clinician_id}")
async def read_practitioner(
    clinician_id: UUID, services: ServicesDependency, if_none_match: IfNoneMatch = ""
) -> Response:
    """One of the staff."""
    rows = await fetch(
        services, "SELECT id, name, role, active FROM clinician WHERE id = %s", (clinician_id,)
    )
    if not rows:
        raise ProblemError(CLINICIAN_NOT_FOUND, f"no clinician {clinician_id}")
    return resource_response(practitioner_resource(*rows[0]), if_none_match)
