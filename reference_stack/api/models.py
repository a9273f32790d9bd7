"""The JSON documents of the contract that more than one route or client needs."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

BIGINT_MAX = 2**63 - 1
MAX_TEXT_LENGTH = 20_000


def _storable(text: str) -> str:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must be valid Unicode") from None
    return text


StorableText = Annotated[str, AfterValidator(_storable)]


class Document(BaseModel):
    """Base of all request and response documents."""

    # What does not fit may be a patient's, and errors are logged.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class LoginRequest(Document):
    username: StorableText = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=200)


class ClinicianSummary(Document):
    id: UUID
    name: str
    role: str


class LoginAnswer(Document):
    """`expires_in` is in seconds (RFC 6749's name)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme, no secret
    expires_in: int
    clinician: ClinicianSummary


class Session(Document):
    """One log-in that has not been logged out; `last_seen` is unknown while the cache is away."""

    id: UUID
    last_seen: datetime | None = None
    current: bool


class SessionList(Document):
    items: list[Session]


class PatientSummary(Document):
    id: UUID
    name: str
    birth_date: date
    medical_record_number: str


class PatientList(Document):
    items: list[PatientSummary]


class NoteRequest(Document):
    """`sequence` numbers a client's notes, so that an experiment can find which one is missing."""

    text: StorableText = Field(min_length=1, max_length=MAX_TEXT_LENGTH)
    sequence: int | None = Field(default=None, ge=0, le=BIGINT_MAX)


class NoteReceipt(Document):
    """What a stored note is acknowledged with; `client_id` is its Idempotency-Key."""

    id: UUID
    client_id: UUID
    patient_id: UUID
    recorded_at: datetime


class Note(NoteReceipt):
    author_id: UUID
    text: str
    sequence: int | None


class NoteList(Document):
    items: list[Note]


class ChatRequest(Document):
    """``conversation_id`` joins an exchange to earlier ones, which the model is then told of."""

    message: StorableText = Field(min_length=1, max_length=MAX_TEXT_LENGTH)
    patient_id: UUID | None = None
    conversation_id: UUID | None = None
    max_tokens: int | None = Field(default=None, ge=1)
