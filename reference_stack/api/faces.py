"""Log-in by face, and how clinicians are enrolled.

A picture's embedding is compared with every enrolled one: a hospital has a few hundred clinicians,
so that is one small matrix and no index. There is **no liveness detection**: a photograph of a
clinician logs in as well as the clinician. Where that matters, passwords must do.

Two people may look alike to the model. When a second clinician is within `MARGIN` of the best, the
face names nobody.
"""

import asyncio
from typing import Any, Final
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.bodies import checked_content_type, read_body
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.inference_client import inference_problems
from reference_stack.api.inference_models import FaceEmbedding
from reference_stack.api.login import login_answer
from reference_stack.api.models import LoginAnswer
from reference_stack.api.problems import (
    CLINICIAN_NOT_FOUND,
    FACE_UNKNOWN,
    INVALID_REQUEST,
    NO_FACE,
    ProblemError,
)
from reference_stack.api.rows import fetch
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import Clinician

router = APIRouter()

PICTURE_LIMIT_BYTES: Final = 8 * 1024 * 1024
#: Of the distance to the best match; a second clinician nearer than this is too alike.
MARGIN: Final = 0.05

SELECT_FACES: Final = """
SELECT clinician.id, name, role, version, active, embedding FROM clinician_face
JOIN clinician ON clinician.id = clinician_id
WHERE model = %s AND array_length(embedding, 1) = %s
"""
ENROL: Final = """
INSERT INTO clinician_face (clinician_id, embedding, model, enrolled_by) VALUES (%s, %s, %s, %s)
ON CONFLICT (clinician_id) DO UPDATE SET embedding = EXCLUDED.embedding, model = EXCLUDED.model,
    enrolled_by = EXCLUDED.enrolled_by, enrolled_at = clock_timestamp()
"""

_PICTURES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png")
        },
    }
}


def nearest(
    face: NDArray[np.float32], enrolled: NDArray[np.float32], *, threshold: float
) -> int | None:
    """The row of ``enrolled`` (people × dimensions) that is this face, if any.

    Distances are Euclidean. None when nobody is within ``threshold``, or a second one is within
    `MARGIN` of the best.
    """
    if not len(enrolled):
        return None
    distances = np.linalg.norm(enrolled - face, axis=1)
    best = int(np.argmin(distances))
    if distances[best] > threshold:
        return None
    rivals = np.count_nonzero(distances <= min(threshold, distances[best] + MARGIN))
    return best if rivals == 1 else None


@router.post("/v1/login/face", openapi_extra=_PICTURES)
async def login_by_face(
    request: Request, services: ServicesDependency, access: AccessDependency
) -> LoginAnswer:
    """Log in with a picture (JPEG or PNG) of exactly one face. No liveness detection."""
    address = request.client.host if request.client is not None else ""
    await services.limits.check_address(address)
    try:
        found = await _embedding(services, *await _picture(request))
    except ProblemError as error:
        if error.kind is NO_FACE:
            await services.limits.face_was_wrong(address)
        raise
    face = np.asarray(found.embedding, dtype=np.float32)
    rows = await fetch(services, SELECT_FACES, (found.model, len(face)))
    # A few hundred embeddings take well under a millisecond, yet the loop serves others meanwhile.
    best = await asyncio.to_thread(_match, face, rows, services.settings.face_threshold)
    if best is None:
        await services.limits.face_was_wrong(address)
        raise ProblemError(FACE_UNKNOWN)
    clinician = Clinician(*best[:4])
    if not best[4]:
        # Closed accounts are compared too: whose is closed must not pass for who looks alike.
        access.clinician = clinician
        await services.limits.face_was_wrong(address)
        raise ProblemError(FACE_UNKNOWN)
    return login_answer(services, access, clinician)


def _match(
    face: NDArray[np.float32], rows: list[tuple[Any, ...]], threshold: float
) -> tuple[Any, ...] | None:
    enrolled = np.array([row[5] for row in rows], dtype=np.float32).reshape(len(rows), len(face))
    place = nearest(face, enrolled, threshold=threshold)
    return rows[place] if place is not None else None


async def _picture(request: Request) -> tuple[bytes, str]:
    """The body and its media type."""
    content_type = checked_content_type(request)
    if content_type not in {"image/jpeg", "image/png"}:
        raise ProblemError(INVALID_REQUEST, "Content-Type: image/jpeg or image/png is needed")
    return await read_body(request, PICTURE_LIMIT_BYTES), content_type


async def _embedding(services: Services, picture: bytes, content_type: str) -> FaceEmbedding:
    with inference_problems(NO_FACE):
        found = await services.inference.face_embedding(picture, content_type)
    if found.faces != 1 or found.embedding is None:
        raise ProblemError(NO_FACE, f"{found.faces} faces were found")
    return found


@router.put(
    "/v1/clinicians/{clinician_id}/face",
    status_code=204,
    response_class=Response,
    openapi_extra=_PICTURES,
)
async def enrol(
    clinician_id: UUID,
    write: WriteDependency,
) -> Response:
    """Enrol a clinician's face from a picture; the picture itself is not kept."""
    picture, content_type = await _picture(write.request)
    found = await _embedding(write.services, picture, content_type)
    embedding = list(found.embedding or ())

    async def store(connection: FailoverConnection) -> StoredAnswer:
        await _require_clinician(connection, clinician_id)
        await connection.execute(ENROL, (clinician_id, embedding, found.model, write.clinician.id))
        return StoredAnswer(b"", 204)

    return await write.once(store, content=picture)


@router.delete("/v1/clinicians/{clinician_id}/face", status_code=204, response_class=Response)
async def forget_face(clinician_id: UUID, write: WriteDependency) -> Response:
    """Forget a clinician's face, as LGPD lets everybody ask for."""

    async def store(connection: FailoverConnection) -> StoredAnswer:
        await _require_clinician(connection, clinician_id)
        await connection.execute(
            "DELETE FROM clinician_face WHERE clinician_id = %s", (clinician_id,)
        )
        return StoredAnswer(b"", 204)

    return await write.once(store)


async def _require_clinician(connection: FailoverConnection, clinician_id: UUID) -> None:
    cursor = await connection.execute("SELECT 1 FROM clinician WHERE id = %s", (clinician_id,))
    if await cursor.fetchone() is None:
        raise ProblemError(CLINICIAN_NOT_FOUND, f"no clinician {clinician_id}")
