"""The JSON documents of the routes for patients' documents."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from reference_stack.api.models import Document
from reference_stack.documents.records import heads


class DocumentVersion(Document):
    """One version; ``history`` names the versions that it comes after."""

    id: UUID
    document_id: UUID
    patient_id: UUID
    author_id: UUID
    title: str
    content_type: str
    size_bytes: int
    sha256: str
    history: tuple[UUID, ...]
    recorded_at: datetime


class DocumentReceipt(Document):
    """What a stored version is acknowledged with; ``durability`` as the document service says."""

    version: DocumentVersion
    durability: Literal["both-nodes", "one-node", "bucket"]


class PatientDocument(Document):
    """A document with all its versions, latest first.

    More than one of ``current`` means that they were made without knowledge of each other: both are
    kept, and a person must say which holds (a new version that replaces both).
    """

    id: UUID
    current: tuple[UUID, ...]
    conflict: bool
    versions: tuple[DocumentVersion, ...]

    def recorded_at(self, as_of: datetime) -> datetime:
        """When its latest version up to then was recorded; there must be one."""
        return max(one.recorded_at for one in self.versions if one.recorded_at <= as_of)


class PatientDocumentList(Document):
    items: list[PatientDocument]


def patient_documents(versions: list[DocumentVersion]) -> list[PatientDocument]:
    """Versions put together by document, in the order of each one's first."""
    by_document: dict[UUID, list[DocumentVersion]] = {}
    for version in versions:
        by_document.setdefault(version.document_id, []).append(version)
    made = []
    for document_id, its in by_document.items():
        current = heads({version.id: version.history for version in its})
        made.append(
            PatientDocument(
                id=document_id, current=current, conflict=len(current) > 1, versions=tuple(its)
            )
        )
    return made


def latest_first(documents: list[PatientDocument], as_of: datetime) -> list[PatientDocument]:
    """By their latest version up to then, by id where that is the same: the order of pages."""
    by_id = sorted(documents, key=lambda document: document.id)
    return sorted(by_id, key=lambda document: document.recorded_at(as_of), reverse=True)
