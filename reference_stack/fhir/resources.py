"""R4 resources from what the database knows. Ids are UUIDs, instants aware times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from reference_stack.fhir.codes import (
    BY_CODE,
    LOINC,
    OBSERVATION_CATEGORY,
    PROFILE_CODES,
    UCUM,
)

MEDIA_TYPE: Final = "application/fhir+json"
Resource = dict[str, Any]

_PRIORITIES: Final = {"critical": "PH", "high": "PM", "routine": "PL"}
_FLAG_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/flag-category"
_FLAG_PRIORITY: Final = "http://hl7.org/fhir/flag-priority-code"
_FLAG_PRIORITY_URL: Final = "http://hl7.org/fhir/StructureDefinition/flag-priority"
_REPORT_CODES: Final = {
    "image-analysis": {"coding": [{"system": LOINC, "code": "18748-4"}], "text": "Image analysis"},
    "patient-report": {"coding": [{"system": LOINC, "code": "34133-9"}], "text": "Summary"},
}


@dataclass(frozen=True)
class Observation:
    """One measurement; ``value`` with its UCUM ``unit``, or ``value_code``."""

    id: UUID
    patient_id: UUID
    performer_id: UUID | None
    code: str
    value: float | None
    unit: str | None
    value_code: str | None
    effective_at: datetime


@dataclass(frozen=True)
class Alert:
    """A call for attention; active until it is acknowledged."""

    id: UUID
    patient_id: UUID
    author_id: UUID
    priority: str
    message: str
    raised_at: datetime
    version: int
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None


@dataclass(frozen=True)
class DiagnosticReport:
    """What was made of a document (an image) or made into one (a summary)."""

    id: UUID
    patient_id: UUID
    author_id: UUID
    kind: str
    document_id: UUID
    version_id: UUID
    result: dict[str, Any]
    conclusion: str
    recorded_at: datetime


@dataclass(frozen=True)
class Exchange:
    """A clinician's question to the assistant and the whole answer."""

    id: UUID
    conversation_id: UUID
    clinician_id: UUID
    patient_id: UUID | None
    question: str
    answer: str
    answered_at: datetime


def instant(at: datetime) -> str:
    """An R4 instant, UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def patient_reference(patient_id: UUID) -> Resource:
    return {"reference": f"Patient/{patient_id}"}


def practitioner_reference(clinician_id: UUID) -> Resource:
    return {"reference": f"Practitioner/{clinician_id}"}


def observation_resource(observation: Observation) -> Resource:
    """A final vital-signs Observation."""
    sign = BY_CODE.get(observation.code)
    coding = {"system": LOINC, "code": observation.code}
    codings = [{**coding, "display": sign.display} if sign else coding]
    if observation.code in PROFILE_CODES:
        code, display = PROFILE_CODES[observation.code]
        codings.append({"system": LOINC, "code": code, "display": display})
    resource: Resource = {
        "resourceType": "Observation",
        "id": str(observation.id),
        "status": "final",
        "category": [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": codings},
        "subject": patient_reference(observation.patient_id),
        "effectiveDateTime": instant(observation.effective_at),
    }
    if observation.performer_id is not None:
        resource["performer"] = [practitioner_reference(observation.performer_id)]
    if observation.value is not None:
        resource["valueQuantity"] = {
            "value": observation.value, "unit": observation.unit,
            "system": UCUM, "code": observation.unit,
        }  # fmt: skip
    else:
        resource["valueCodeableConcept"] = {"text": observation.value_code}
    return resource


def practitioner_resource(
    clinician_id: UUID, name: str, role: str, active: bool = True
) -> Resource:
    """A Practitioner; what they may do in this system is their qualification's text."""
    return {
        "resourceType": "Practitioner",
        "id": str(clinician_id),
        "active": active,
        "name": [{"use": "official", "text": name}],
        "qualification": [{"code": {"text": role}}],
    }


def document_reference_resource(
    *, document_id: UUID, version_id: UUID, patient_id: UUID, author_id: UUID, title: str,
    content_type: str, size_bytes: int, sha256: str, recorded_at: datetime, is_current: bool,
) -> Resource:  # fmt: skip
    """One version of a document. Its attachment's url is a route of this API.

    R4 wants the hash in SHA-1; this system has SHA-256, which stands as an identifier.
    """
    return {
        "resourceType": "DocumentReference",
        "id": str(version_id),
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{version_id}"},
        "identifier": [
            {"system": "urn:prontuario:document", "value": str(document_id)},
            {"system": "urn:prontuario:sha-256", "value": sha256},
        ],
        "status": "current" if is_current else "superseded",
        "subject": patient_reference(patient_id),
        "date": instant(recorded_at),
        "author": [practitioner_reference(author_id)],
        "description": title,
        "content": [
            {
                "attachment": {
                    "contentType": content_type,
                    "url": f"/v1/documents/{document_id}/versions/{version_id}",
                    "size": size_bytes,
                    "title": title,
                    "creation": instant(recorded_at),
                }
            }
        ],
    }


def diagnostic_report_resource(report: DiagnosticReport) -> Resource:
    """A DiagnosticReport whose presented form is the document it belongs to."""
    return {
        "resourceType": "DiagnosticReport",
        "id": str(report.id),
        "status": "preliminary" if report.kind == "image-analysis" else "final",
        "code": _REPORT_CODES[report.kind],
        "subject": patient_reference(report.patient_id),
        "issued": instant(report.recorded_at),
        "performer": [practitioner_reference(report.author_id)],
        "conclusion": report.conclusion,
        "presentedForm": [
            {"url": f"/v1/documents/{report.document_id}/versions/{report.version_id}"}
        ],
    }


def flag_resource(alert: Alert) -> Resource:
    """A Flag: active until somebody has seen to it."""
    period = {"start": instant(alert.raised_at)}
    if alert.acknowledged_at is not None:
        period["end"] = instant(alert.acknowledged_at)
    return {
        "resourceType": "Flag",
        "id": str(alert.id),
        "meta": {"versionId": str(alert.version)},
        "extension": [
            {
                "url": _FLAG_PRIORITY_URL,
                "valueCodeableConcept": {
                    "coding": [{"system": _FLAG_PRIORITY, "code": _PRIORITIES[alert.priority]}],
                    "text": alert.priority,
                },
            }
        ],
        "status": "active" if alert.acknowledged_at is None else "inactive",
        "category": [{"coding": [{"system": _FLAG_CATEGORY, "code": "clinical"}]}],
        "code": {"text": alert.message},
        "subject": patient_reference(alert.patient_id),
        "period": period,
        "author": practitioner_reference(alert.author_id),
    }


def communication_resource(exchange: Exchange, disclaimer: str) -> Resource:
    """A question and its answer as one completed Communication, which says what wrote it."""
    resource: Resource = {
        "resourceType": "Communication",
        "id": str(exchange.id),
        "status": "completed",
        "sent": instant(exchange.answered_at),
        "recipient": [practitioner_reference(exchange.clinician_id)],
        "payload": [
            {"contentString": exchange.question},
            {"contentString": exchange.answer},
        ],
        "note": [{"text": disclaimer}],
    }
    if exchange.patient_id is not None:
        resource["subject"] = patient_reference(exchange.patient_id)
    return resource


def searchset(
    resources: Sequence[Resource], *, self_url: str, next_url: str | None, base_url: str
) -> Resource:
    """A Bundle of one page, with the address of the next."""
    link = [{"relation": "self", "url": self_url}]
    if next_url is not None:
        link.append({"relation": "next", "url": next_url})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "link": link}
    entries = [{**entry, "search": {"mode": "match"}} for entry in _entries(resources, base_url)]
    return {**bundle, "entry": entries} if entries else bundle


def collection(resources: Sequence[Resource], *, base_url: str) -> Resource:
    """A Bundle of at least one resource, which nobody searched for."""
    entries = _entries(resources, base_url)
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _entries(resources: Sequence[Resource], base_url: str) -> list[Resource]:
    return [
        {"fullUrl": f"{base_url}/{one['resourceType']}/{one['id']}", "resource": one}
        for one in resources
    ]
