"""What the database knows about documents: everything but their bytes."""

from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from reference_stack.api.auth import Clinician
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.document_models import DocumentVersion
from reference_stack.api.problems import (
    DOCUMENT_NOT_FOUND,
    KEY_REUSED,
    NOT_AUTHENTICATED,
    PATIENT_NOT_FOUND,
    READ_ONLY,
    ProblemError,
)
from reference_stack.api.rows import require_patient
from reference_stack.documents.records import VersionRecord

FIELDS = (
    "id", "document_id", "patient_id", "author_id", "title", "content_type", "size_bytes",
    "sha256", "history", "recorded_at",
)  # fmt: skip

INSERT_VERSION = """
WITH made AS (
    INSERT INTO document (id, patient_id) VALUES (%(document)s, %(patient)s)
    ON CONFLICT (id) DO NOTHING
)
INSERT INTO document_version
    (id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256, history)
VALUES (%(version)s, %(document)s, %(patient)s, %(author)s, %(title)s, %(content_type)s,
    %(size_bytes)s, %(sha256)s, %(history)s)
ON CONFLICT (id) DO NOTHING
RETURNING id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256, history,
    recorded_at
"""
# The lock gives a repeated request a commit of its own, as for notes.
SELECT_REPLAYED = """
SELECT id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256, history,
    recorded_at
FROM document_version WHERE id = %s FOR KEY SHARE
"""
SELECT_OF_PATIENT = """
SELECT id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256, history,
    recorded_at
FROM document_version WHERE document_id IN (
    SELECT document_id FROM document_version WHERE patient_id = %(patient)s
        AND (%(as_of)s::timestamptz IS NULL OR recorded_at <= %(as_of)s)
    GROUP BY document_id
    HAVING %(at)s::timestamptz IS NULL OR max(recorded_at) < %(at)s
        OR (max(recorded_at) = %(at)s AND document_id > %(id)s)
    ORDER BY max(recorded_at) DESC, document_id LIMIT %(limit)s
) ORDER BY recorded_at DESC, id
"""
SELECT_OF_DOCUMENT = """
SELECT id, document_id, patient_id, author_id, title, content_type, size_bytes, sha256, history,
    recorded_at
FROM document_version WHERE document_id = %s ORDER BY recorded_at DESC, id
"""
WRITABLE = """
SELECT EXISTS (SELECT FROM patient WHERE id = %s), pg_is_in_recovery()
"""


async def require_writable(connection: FailoverConnection, patient_id: UUID) -> None:
    """Raise `ProblemError` when the patient is unknown or this site takes no writes.

    Asked before any bytes are stored, which then need not be stored in vain.
    """
    cursor = await connection.execute(WRITABLE, (patient_id,))
    row = await cursor.fetchone()
    exists, standby = row if row is not None else (False, False)
    if standby:
        raise ProblemError(READ_ONLY, "the database of this site is a standby")
    if not exists:
        raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")


async def insert_version(
    connection: FailoverConnection, record: VersionRecord,
    *, patient_id: UUID, author: Clinician, title: str,
) -> tuple[DocumentVersion, bool]:  # fmt: skip
    """Write a version's row or find the one written before; safe to repeat.

    Raises `ProblemError` for a key that belongs to something else.
    """
    values: dict[str, Any] = {
        "document": record.document_id, "version": record.version_id, "patient": patient_id,
        "author": author.id, "title": title, "content_type": record.content_type,
        "size_bytes": record.size_bytes, "sha256": record.sha256, "history": list(record.history),
    }  # fmt: skip
    try:
        cursor = await connection.execute(INSERT_VERSION, values)
    except ForeignKeyViolation as error:
        if error.diag.constraint_name == "document_version_author_id_fkey":
            raise ProblemError(NOT_AUTHENTICATED, "the token's clinician is unknown") from error
        raise ProblemError(PATIENT_NOT_FOUND, f"not of patient {patient_id}") from error
    row = await cursor.fetchone()
    if row is not None:
        return _version(row), True
    cursor = await connection.execute(SELECT_REPLAYED, (record.version_id,))
    row = await cursor.fetchone()
    stored = _version(row) if row is not None else None
    if stored is None or (
        stored.document_id, stored.patient_id, stored.author_id, stored.title, stored.sha256,
        stored.content_type,
    ) != (
        record.document_id, patient_id, author.id, title, record.sha256, record.content_type,
    ):  # fmt: skip
        raise ProblemError(KEY_REUSED, f"Idempotency-Key {record.version_id}")
    return stored, False


async def versions_of_patient(
    connection: FailoverConnection, patient_id: UUID, limit: int,
    after: tuple[object, ...] | None = None,
) -> list[DocumentVersion]:  # fmt: skip
    """All versions of the patient's latest ``limit`` documents, latest first.

    ``after`` says as of when documents are in order, and the place (time of the latest version up
    to then, id) of the document before the first.
    """
    as_of, at, last = after or (None, None, None)
    cursor = await connection.execute(
        SELECT_OF_PATIENT,
        {"patient": patient_id, "as_of": as_of, "at": at, "id": last, "limit": limit},
    )
    rows = await cursor.fetchall()
    if not rows:
        await require_patient(connection, patient_id)
    return [_version(row) for row in rows]


async def versions_of_document(
    connection: FailoverConnection, document_id: UUID
) -> list[DocumentVersion]:
    """All versions of a document, latest first; at least one."""
    cursor = await connection.execute(SELECT_OF_DOCUMENT, (document_id,))
    rows = await cursor.fetchall()
    if not rows:
        raise ProblemError(DOCUMENT_NOT_FOUND, f"no document {document_id}")
    return [_version(row) for row in rows]


def _version(row: tuple[Any, ...]) -> DocumentVersion:
    return DocumentVersion(**dict(zip(FIELDS, row, strict=True)))
