"""Documents of patients: bytes with the document service, everything else in the database.

The bytes are durable before the database hears of them. An upload whose bytes were stored and whose
row was not shows nowhere; sent again with the same Idempotency-Key it becomes one document, on any
site.
"""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from reference_stack.api import document_rows
from reference_stack.api.access import Access, AccessDependency, audited_write
from reference_stack.api.auth import AuthenticatedClinician, Clinician
from reference_stack.api.bodies import checked_content_type, read_body
from reference_stack.api.document_models import (
    DocumentReceipt,
    DocumentVersion,
    PatientDocument,
    PatientDocumentList,
    latest_first,
    patient_documents,
)
from reference_stack.api.etags import matches
from reference_stack.api.models import StorableText
from reference_stack.api.paging import (
    CursorParameter,
    decode_cursor,
    encode_cursor,
    link_next,
    page_of,
)
from reference_stack.api.problems import (
    BAD_RANGE,
    DOCUMENT_NOT_FOUND,
    PRECONDITION_NEEDED,
    ProblemError,
)
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import utc_now

router = APIRouter()

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def _versions(text: str) -> tuple[UUID, ...]:
    """Versions as ``If-Match`` lists them: quoted, by commas."""
    return tuple(sorted({UUID(word.strip().strip('"')) for word in text.split(",")}))


Title = Annotated[StorableText, Query(min_length=1, max_length=200)]
IfMatch = Annotated[str, AfterValidator(lambda text: text and _versions(text) and text), Header()]
IdempotencyKey = Annotated[UUID, Header()]


@router.post("/v1/patients/{patient_id}/documents", status_code=201)
async def upload(
    patient_id: UUID, title: Title, idempotency_key: IdempotencyKey,
    *, request: Request, services: ServicesDependency, access: AccessDependency,
    clinician: AuthenticatedClinician, response: Response,
) -> DocumentReceipt:  # fmt: skip
    """Store a new document; its id is the Idempotency-Key. 200 when it was stored before."""
    receipt, is_new = await _store(
        request, services, access, clinician, document_id=idempotency_key,
        version_id=idempotency_key, patient_id=patient_id, title=title, replaces=(),
    )  # fmt: skip
    response.status_code = 201 if is_new else 200
    return receipt


@router.post("/v1/documents/{document_id}/versions", status_code=201)
async def upload_version(
    document_id: UUID, title: Title, idempotency_key: IdempotencyKey,
    *, request: Request, services: ServicesDependency, access: AccessDependency,
    clinician: AuthenticatedClinician, response: Response, if_match: IfMatch = "",
) -> DocumentReceipt:  # fmt: skip
    """Store a new version of a document; ``If-Match`` names the versions its author had seen.

    It is never refused for being late: it then stands beside the others, and both are shown.
    """
    versions = await _find(services, access, document_id)
    if not if_match:
        raise ProblemError(PRECONDITION_NEEDED)
    receipt, is_new = await _store(
        request, services, access, clinician, document_id=document_id, version_id=idempotency_key,
        patient_id=versions[0].patient_id, title=title, replaces=_versions(if_match),
    )  # fmt: skip
    response.status_code = 201 if is_new else 200
    return receipt


@router.get("/v1/patients/{patient_id}/documents")
async def list_documents(
    *,
    patient_id: UUID, request: Request, services: ServicesDependency, response: Response,
    limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: CursorParameter = None,
) -> PatientDocumentList:  # fmt: skip
    """A patient's documents with all their versions, latest first.

    A document's place is that of its latest version when the first page was read: a version that
    is stored meanwhile moves no document from a page to come to one that was read.
    """
    place = decode_cursor(cursor, datetime, datetime, UUID)
    versions = await services.database.read(
        lambda connection: document_rows.versions_of_patient(
            connection, patient_id, limit + 1, place
        )
    )
    as_of = (
        place[0]
        if place is not None and isinstance(place[0], datetime)
        else max((version.recorded_at for version in versions), default=utc_now())
    )
    items, more = page_of(latest_first(patient_documents(versions), as_of), limit)
    following = encode_cursor(as_of, items[-1].recorded_at(as_of), items[-1].id) if more else None
    link_next(request, response, following)
    return PatientDocumentList(items=items)


@router.get("/v1/documents/{document_id}")
async def describe(
    document_id: UUID, services: ServicesDependency, access: AccessDependency
) -> PatientDocument:
    """One document with all its versions."""
    return patient_documents(await _find(services, access, document_id))[0]


@router.get("/v1/documents/{document_id}/versions/{version_id}", response_class=Response)
async def download(
    document_id: UUID, version_id: UUID,
    *, request: Request, services: ServicesDependency, access: AccessDependency,
) -> Response:  # fmt: skip
    """A version's bytes; understands ``If-None-Match``, ``If-Range`` and one ``Range``."""
    version = await find_version(services, access, document_id, version_id)
    headers = {
        "ETag": f'"{version.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        # Whatever the bytes are, a browser must neither guess nor run them.
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment",
    }
    if matches(request.headers.get("If-None-Match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    content = await services.documents.content(document_id, version_id, version.sha256)
    asked = request.headers.get("Range")
    if request.headers.get("If-Range", headers["ETag"]) != headers["ETag"]:
        asked = None
    part = byte_range(asked, len(content))
    if part is None:
        return Response(content, media_type=version.content_type, headers=headers)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(
        content[first : last + 1], 206, media_type=version.content_type, headers=headers
    )


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First and last byte asked for; None for all (also when it is not one plain range).

    Raises `ProblemError` (416) for a range outside the content.
    """
    asked = _RANGE.fullmatch(header.strip()) if header is not None else None
    if asked is None or asked.groups() == ("", ""):
        return None
    start, end = asked.groups()
    if start == "":
        first, last = max(0, size_bytes - int(end)), size_bytes - 1
    else:
        first, last = int(start), min(int(end or size_bytes - 1), size_bytes - 1)
    if first > last or first >= size_bytes:
        raise ProblemError(BAD_RANGE, f"the document has {size_bytes} bytes")
    return first, last


async def find_version(
    services: Services, access: Access, document_id: UUID, version_id: UUID
) -> DocumentVersion:
    """One version, its patient noted with the access; raises `ProblemError` (404)."""
    versions = await _find(services, access, document_id)
    version = next((version for version in versions if version.id == version_id), None)
    if version is None:
        raise ProblemError(DOCUMENT_NOT_FOUND, f"no version {version_id}")
    return version


async def _find(services: Services, access: Access, document_id: UUID) -> list[DocumentVersion]:
    versions = await services.database.read(
        lambda connection: document_rows.versions_of_document(connection, document_id)
    )
    access.concerns(versions[0].patient_id)
    return versions


async def _store(
    request: Request, services: Services, access: Access, clinician: Clinician, *,
    document_id: UUID,
    version_id: UUID, patient_id: UUID, title: str, replaces: tuple[UUID, ...],
) -> tuple[DocumentReceipt, bool]:  # fmt: skip
    content_type = checked_content_type(request)
    content = await read_body(request, services.settings.document_size_limit_bytes)
    await services.database.read(
        lambda connection: document_rows.require_writable(connection, patient_id)
    )
    receipt = await services.documents.put(
        document_id, version_id, content, content_type=content_type, replaces=replaces
    )
    version, is_new = await audited_write(
        services, access,
        lambda connection: document_rows.insert_version(
            connection, receipt.record, patient_id=patient_id, author=clinician, title=title
        ),
        status_of=lambda stored: 201 if stored[1] else 200,
    )  # fmt: skip
    return DocumentReceipt(version=version, durability=receipt.durability), is_new
