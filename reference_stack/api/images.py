"""Analysis of a medical image that is a document already: measured, stored, no diagnosis."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter
from psycopg.types.json import Jsonb
from starlette.responses import Response

from reference_stack.api.clinical_rows import columns
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.documents import find_version
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.inference_client import inference_problems
from reference_stack.api.models import Document
from reference_stack.api.problems import (
    IMAGE_UNREADABLE,
    INFERENCE_UNAVAILABLE,
    ProblemError,
)
from reference_stack.api.rows import references_checked
from reference_stack.fhir.resources import DiagnosticReport

router = APIRouter()

NOTICE: Final = (
    "Measures of image processing. Not a medical device and no diagnosis: the clinician decides."
)
INSERT: Final = f"""
INSERT INTO diagnostic_report ({columns(DiagnosticReport)})
VALUES (%s, %s, %s, 'image-analysis', %s, %s, %s, %s, clock_timestamp())
RETURNING {columns(DiagnosticReport)}
"""  # noqa: S608 - names of this program


class ImageAnalysis(Document):
    """``result`` holds the measures as the analysis names them; also a FHIR DiagnosticReport."""

    id: UUID
    patient_id: UUID
    author_id: UUID
    document_id: UUID
    version_id: UUID
    conclusion: str
    result: dict[str, Any]
    recorded_at: datetime
    notice: str = NOTICE


class _NotYetError(Exception):
    """No analysis is stored under this key."""


@router.post(
    "/v1/documents/{document_id}/versions/{version_id}/analysis",
    status_code=201,
    response_model=ImageAnalysis,
)
async def analyse(
    document_id: UUID,
    version_id: UUID,
    write: WriteDependency,
) -> Response:
    """Measure an image (DICOM, PNG, JPEG) and keep what was found."""
    services = write.services
    version = await find_version(services, write.access, document_id, version_id)

    async def only_replay(_connection: FailoverConnection) -> StoredAnswer:
        raise _NotYetError

    try:
        return await write.once(only_replay)
    except _NotYetError:
        pass
    content = await services.documents.content(document_id, version_id, version.sha256)
    with inference_problems(IMAGE_UNREADABLE):
        findings = await services.inference.analyse_image(content, version.content_type)

    async def store(connection: FailoverConnection) -> StoredAnswer:
        with references_checked(version.patient_id):
            cursor = await connection.execute(
                INSERT.encode(),
                (
                    *(uuid4(), version.patient_id, write.clinician.id, document_id, version_id),
                    *(Jsonb(findings.model_dump(mode="json")), findings.conclusion),
                ),
            )
        row = await cursor.fetchone()
        if row is None:
            raise ProblemError(INFERENCE_UNAVAILABLE)
        return StoredAnswer(_analysis(DiagnosticReport(*row)).model_dump_json().encode(), 201)

    return await write.once(store)


def _analysis(report: DiagnosticReport) -> ImageAnalysis:
    return ImageAnalysis(
        **{name: getattr(report, name) for name in ImageAnalysis.model_fields if name != "notice"}
    )
