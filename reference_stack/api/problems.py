"""Errors as the client sees them: RFC 9457 problem documents (``application/problem+json``)."""

from dataclasses import dataclass

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """One sort of error: a stable `type` that clients may test for, HTTP status, human title.

    `retry_after_s` is sent as ``Retry-After`` where trying again makes sense.
    """

    type: str
    status: int
    title: str
    retry_after_s: int | None = None


INVALID_REQUEST = ProblemKind("invalid-request", 422, "The request does not fit the contract")
DOCUMENT_NOT_FOUND = ProblemKind("document-not-found", 404, "There is no such document")
DOCUMENT_LOST = ProblemKind("document-lost", 404, "The document's bytes are nowhere to be found")
DOCUMENT_TOO_LARGE = ProblemKind("document-too-large", 413, "The document is too large")
BAD_RANGE = ProblemKind("bad-range", 416, "The document does not have these bytes")
UNKNOWN_VERSION = ProblemKind("unknown-version", 409, "A version to be replaced is unknown here")
DOCUMENTS_UNAVAILABLE = ProblemKind(
    "documents-unavailable", 503, "The documents are away: retry with the same key", 1
)
NOT_FOUND = ProblemKind("not-found", 404, "There is no such thing here")
PATIENT_NOT_FOUND = ProblemKind("patient-not-found", 404, "There is no such patient")
BAD_CREDENTIALS = ProblemKind("bad-credentials", 401, "Username or password is wrong")
NOT_AUTHENTICATED = ProblemKind("not-authenticated", 401, "A valid bearer token is needed")
TOO_MANY_ATTEMPTS = ProblemKind("too-many-attempts", 429, "Too many wrong passwords", 60)
TOO_MANY_REQUESTS = ProblemKind("too-many-requests", 429, "Too many requests", 10)
KEY_REUSED = ProblemKind(
    "idempotency-key-reused", 422, "The Idempotency-Key belongs to another content"
)
DATABASE_UNAVAILABLE = ProblemKind("database-unavailable", 503, "The database is away", 1)
OUTCOME_UNKNOWN = ProblemKind(
    "outcome-unknown", 503, "It may or may not have been stored: retry with the same key", 1
)
READ_ONLY = ProblemKind("read-only", 503, "This site cannot take writes at the moment", 5)
OVERLOADED = ProblemKind("overloaded", 503, "The request could not be served in time", 1)
INFERENCE_UNAVAILABLE = ProblemKind("inference-unavailable", 503, "The assistant is not free", 2)
INFERENCE_REFUSED = ProblemKind("inference-refused", 422, "The assistant cannot take this message")
INFERENCE_BROKEN = ProblemKind("inference-broken", 502, "The assistant stopped in mid-answer")
AUDIO_TOO_LARGE = ProblemKind("audio-too-large", 413, "The recording is too large")
AUDIO_REFUSED = ProblemKind("audio-refused", 422, "This cannot be heard, or not be spoken")
NOT_PERMITTED = ProblemKind("not-permitted", 403, "Your role does not allow this")
OFF_IN_EMERGENCY = ProblemKind(
    "off-in-emergency", 503, "Not available during emergency operation", 600
)
EMERGENCY_FULL = ProblemKind(
    "emergency-full", 503, "All places of the emergency operation are taken", 30
)
AUDIT_UNAVAILABLE = ProblemKind(
    "audit-unavailable", 503, "The access cannot be recorded, so it cannot be given", 1
)
NO_MATCH = ProblemKind("precondition-failed", 412, "It has changed since you read it")
PRECONDITION_NEEDED = ProblemKind(
    "precondition-required", 428, "Say with If-Match which version you have seen"
)
FACE_UNKNOWN = ProblemKind("face-unknown", 401, "The face is not that of an enrolled clinician")
NO_FACE = ProblemKind("no-face", 422, "The picture must show exactly one face")
CLINICIAN_NOT_FOUND = ProblemKind("clinician-not-found", 404, "There is no such clinician")
OWN_ACCOUNT = ProblemKind("own-account", 409, "Another administrator has to change your account")
ALERT_NOT_FOUND = ProblemKind("alert-not-found", 404, "There is no such alert")
ALERT_SEEN_TO = ProblemKind("alert-seen-to", 409, "Somebody has seen to this alert already")
REPORT_NOT_FOUND = ProblemKind("report-not-found", 404, "There is no such report")
IMAGE_UNREADABLE = ProblemKind("image-unreadable", 422, "The document is no image that can be read")
INTERNAL = ProblemKind("internal", 500, "The service failed; the fault was logged")


class ProblemError(Exception):
    """Raised by a route to answer with a problem document.

    `detail` is for the person who reads the answer; `retry_after_s` overrides the kind's own.
    """

    def __init__(
        self, kind: ProblemKind, detail: str = "", *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{kind.type}: {detail or kind.title}")
        self.kind = kind
        self.detail = detail
        self.retry_after_s = kind.retry_after_s if retry_after_s is None else retry_after_s


def problem_document(kind: ProblemKind, detail: str = "") -> bytes:
    """The problem as JSON bytes."""
    document: dict[str, str | int] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
    }
    if detail:
        document["detail"] = detail
    return orjson.dumps(document)


def problem_response(error: ProblemError) -> Response:
    """The HTTP answer for a problem, with ``Retry-After`` or ``WWW-Authenticate`` where due."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.kind is NOT_AUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        problem_document(error.kind, error.detail),
        status_code=error.kind.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )
