"""One event of the audit trail, its digest and its signature (A-15, B-16, LGPD art. 37).

The digest is SHA-256 over the event's canonical JSON, so that anybody who can read the trail can
tell an edited row. The signature is HMAC-SHA-256 of the digest under a key that the database does
not hold, so that whoever owns the database can't put an event of their own making in.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Literal, Self
from uuid import UUID, uuid4

import orjson

Outcome = Literal["allowed", "denied", "not-found", "refused", "failed"]

FIELDS: Final = (
    *("id", "recorded_at", "site", "actor_id", "actor_role", "patients", "purpose", "route"),
    *("outcome", "status", "request_id", "digest", "signature"),
)
COLUMN_TYPES: Final = (
    *("uuid", "timestamptz", "text", "uuid", "text", "uuid[]", "text", "text"),
    *("text", "integer", "text", "bytea", "bytea"),
)
INSERT: Final = (
    f"INSERT INTO audit_event ({', '.join(FIELDS)}) "  # noqa: S608 - names of this module
    f"VALUES ({', '.join(['%s'] * len(FIELDS))}) ON CONFLICT (id) DO NOTHING"
)


def audit_key(token_secret: str) -> bytes:
    """The trail's signing key, which every site of a stack derives from its token secret."""
    return hmac.digest(token_secret.encode(), b"prontuario audit trail", "sha256")


def signature_of(key: bytes, digest: bytes) -> bytes:
    """HMAC-SHA-256 of a digest."""
    return hmac.digest(key, digest, "sha256")


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says about an access."""
    if status < 400:  # noqa: PLR2004 - HTTP's classes
        return "allowed"
    if status in {401, 403}:
        return "denied"
    if status == 404:  # noqa: PLR2004
        return "not-found"
    return "refused" if status < 500 or status == 503 else "failed"  # noqa: PLR2004


@dataclass(frozen=True)
class AuditEvent:
    """Who (``actor_id``, ``actor_role``) did what (``purpose``, ``route``) with whose data.

    ``patients`` are those whose data the answer held. ``recorded_at`` is aware, by the clock of the
    process that answered.
    """

    id: UUID
    recorded_at: datetime
    site: str
    actor_id: UUID | None
    actor_role: str | None
    patients: tuple[UUID, ...]
    purpose: str
    route: str
    outcome: str
    status: int
    request_id: str

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the canonical form (32 bytes)."""
        return hashlib.sha256(self.canonical()).digest()

    def canonical(self) -> bytes:
        """JSON with sorted keys, times in UTC to the microsecond."""
        return orjson.dumps(self._document(), option=orjson.OPT_SORT_KEYS)

    def row(self, key: bytes) -> tuple[Any, ...]:
        """Values for ``INSERT``, signed."""
        digest = self.digest
        return (
            *(self.id, self.recorded_at, self.site, self.actor_id, self.actor_role),
            *(list(self.patients), self.purpose, self.route, self.outcome, self.status),
            *(self.request_id, digest, signature_of(key, digest)),
        )

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """From the columns ``FIELDS``, digest and signature left out."""
        values = dict(zip(FIELDS, row, strict=False))
        names = cls.__dataclass_fields__
        return cls(
            **{name: values[name] for name in names if name != "patients"},
            patients=tuple(values["patients"]),
        )

    @classmethod
    def from_canonical(cls, text: bytes) -> Self:
        """Read back what ``canonical`` wrote; raises `ValueError` for anything else.

        Also for a text with NUL, which no database takes: it must not stand in others' way.
        """
        try:
            values = orjson.loads(text)
            if any("\x00" in word for word in values.values() if isinstance(word, str)):
                raise ValueError("not an audit event: NUL")
            actor = values["actor_id"]
            return cls(
                **{
                    **values,
                    "id": UUID(values["id"]),
                    "recorded_at": datetime.fromisoformat(values["recorded_at"]),
                    "actor_id": UUID(actor) if actor is not None else None,
                    "patients": tuple(UUID(patient) for patient in values["patients"]),
                }
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not an audit event: {error}") from error

    def _document(self) -> dict[str, Any]:
        at = self.recorded_at.astimezone(UTC).isoformat(timespec="microseconds")
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "recorded_at": at,
        }


def new_event(
    *, at: datetime, site: str, actor_id: UUID | None, actor_role: str | None,
    patients: tuple[UUID, ...], purpose: str, route: str, status: int, request_id: str,
    event_id: UUID | None = None,
) -> AuditEvent:  # fmt: skip
    """An event of now; its outcome follows from the status."""
    return AuditEvent(
        id=event_id or uuid4(), recorded_at=at, site=site, actor_id=actor_id,
        actor_role=actor_role, patients=patients, purpose=purpose, route=route,
        outcome=outcome_of(status), status=status, request_id=request_id,
    )  # fmt: skip
