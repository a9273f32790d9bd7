"""GET /v1/patients: search, and one patient as a FHIR R4 resource; PATCH mends how to reach one."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request
from psycopg.types.json import Jsonb
from pydantic import Field
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.auth import AuthenticatedClinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.etags import (
    IfMatch,
    IfNoneMatch,
    content_response,
    etag_of,
    require_match,
)
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.models import Document, PatientList, PatientSummary, StorableText
from reference_stack.api.paging import (
    CursorParameter,
    LimitParameter,
    decode_cursor,
    encode_cursor,
    next_url,
    page_of,
)
from reference_stack.api.patient_search import search_statement, sort_key
from reference_stack.api.permissions import ROLES
from reference_stack.api.problems import PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.rows import fetch
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.fhir.resources import MEDIA_TYPE as FHIR_MEDIA_TYPE

router = APIRouter()

SELECT_RESOURCE = "SELECT resource::text FROM patient WHERE id = %s"
LOCK_RESOURCE = "SELECT resource::text FROM patient WHERE id = %s FOR UPDATE"
UPDATE_RESOURCE = "UPDATE patient SET resource = %s WHERE id = %s RETURNING resource::text"

CacheControl = Annotated[
    str, Header(description="no-cache asks the database whatever the cache knows, as a probe must")
]


class ContactPatch(Document):
    """What is to be changed; what is left out stays."""

    phone: Annotated[str, Field(pattern=r"^[0-9+() -]{3,30}$")] | None = None
    city: Annotated[StorableText, Field(min_length=1, max_length=100)] | None = None
    state: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None


@router.get("/v1/patients", response_model=PatientList)
async def search(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: LimitParameter = 20,
    cursor: CursorParameter = None,
    cache_control: CacheControl = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Patients by name or medical record number, ordered by name."""
    question = f"search {limit} {cursor or ''} {query}"
    answer = None
    if "no-cache" not in cache_control:
        answer = await services.lookups.find(clinician.role, question)
    if answer is None:
        answer = await _search(services, query, limit, cursor)
        services.lookups.keep(clinician.role, question, answer)
    following, _, page = answer.partition(b"\n")
    access.concerns(*(UUID(item["id"]) for item in orjson.loads(page)["items"]))
    headers = {}
    if following:
        headers["Link"] = f'<{next_url(request, following.decode())}>; rel="next"'
    return content_response(page, "application/json", if_none_match, headers)


async def _search(services: Services, query: str, limit: int, cursor: str | None) -> bytes:
    """The next page's cursor, a line feed, and the page."""
    rows, following = await find_patients(services, query, limit, cursor)
    page = PatientList(
        items=[
            PatientSummary(id=row[0], name=row[1], birth_date=row[2], medical_record_number=row[3])
            for row in rows
        ]
    )
    return (following or "").encode() + b"\n" + page.model_dump_json().encode()


async def find_patients(
    services: Services, query: str, limit: int, cursor: str | None
) -> tuple[list[tuple[Any, ...]], str | None]:
    """A page of rows as `search_statement` gives them, and the next page's cursor."""
    statement = search_statement(query, limit + 1, decode_cursor(cursor, str, UUID))
    if statement is None:
        return [], None
    rows, more = page_of(await fetch(services, *statement), limit)
    return rows, encode_cursor(sort_key(query, rows[-1]), rows[-1][0]) if more else None


@router.get("/v1/patients/{patient_id}", response_class=Response)
async def lookup(
    patient_id: UUID,
    services: ServicesDependency,
    clinician: AuthenticatedClinician,
    cache_control: CacheControl = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """One FHIR R4 Patient, passed on as the database's JSON text without parsing it."""
    question = f"patient {patient_id}"
    answer = None
    if "no-cache" not in cache_control:
        answer = await services.lookups.find(clinician.role, question)
    if answer is None:
        answer = await patient_content(services, patient_id)
        services.lookups.keep(clinician.role, question, answer)
    return content_response(answer, FHIR_MEDIA_TYPE, if_none_match)


async def patient_content(services: Services, patient_id: UUID) -> bytes:
    """The Patient resource as stored; raises `ProblemError` (404)."""
    rows = await fetch(services, SELECT_RESOURCE, (patient_id,))
    return _content(rows[0] if rows else None, patient_id)


@router.patch("/v1/patients/{patient_id}", response_class=Response)
async def change_contact(
    patient_id: UUID,
    patch: ContactPatch,
    write: WriteDependency,
    if_match: IfMatch = "",
) -> Response:
    """Change telephone or place of a patient; ``If-Match`` names the version that was read."""

    async def change(connection: FailoverConnection) -> StoredAnswer:
        cursor = await connection.execute(LOCK_RESOURCE, (patient_id,))
        found = _content(await cursor.fetchone(), patient_id)
        require_match(if_match, etag_of(found))
        resource = changed(orjson.loads(found), patch)
        cursor = await connection.execute(UPDATE_RESOURCE, (Jsonb(resource), patient_id))
        content = _content(await cursor.fetchone(), patient_id)
        return StoredAnswer(content, 200, FHIR_MEDIA_TYPE, {"ETag": etag_of(content)})

    answer = await write.once(change, content=patch.model_dump_json().encode())
    for role in ROLES:
        await write.services.lookups.forget(role, f"patient {patient_id}")
    return answer


def changed(resource: dict[str, Any], patch: ContactPatch) -> dict[str, Any]:
    """The Patient with another telephone or place; everything else as it was."""
    if patch.phone is not None:
        others = [item for item in resource.get("telecom", []) if item.get("system") != "phone"]
        resource = {**resource, "telecom": [*others, {"system": "phone", "value": patch.phone}]}
    place = {
        name: value
        for name, value in (("city", patch.city), ("state", patch.state))
        if value is not None
    }
    if place:
        first, *rest = resource.get("address") or [{"use": "home", "country": "BR"}]
        resource = {**resource, "address": [{**first, **place}, *rest]}
    return resource


def _content(row: tuple[Any, ...] | None, patient_id: UUID) -> bytes:
    if row is None:
        raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
    return str(row[0]).encode()
