"""Writes that may be sent again: the first answer is stored with what it tells of.

The record of key and answer is written by the same transaction as the write, so either both are
there or neither. The key comes first in it: a second request under the same key waits for the first
one's end before it does anything. Sent again, the request gets that answer (with
``Idempotency-Replayed: true``); another request under the same key is refused (422). Keys belong to
the clinician who used them, and are kept for `KEPT` at least. Notes and document versions are older
than this table: their key is the row's own id, to the same effect.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import Depends, Header
from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import Response

from reference_stack.api.access import (
    Access,
    AccessDependency,
    AuthenticatedClinician,
    audited_write,
)
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import WriteLane
from reference_stack.api.problems import KEY_REUSED, ProblemError
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import Clinician

IdempotencyKey = Annotated[
    UUID, Header(description="chosen by the client; the same for every repetition of a request")
]
KEPT: Final = "7 days"

CLAIM: Final = """
INSERT INTO idempotency_record (clinician_id, key, fingerprint, status, headers, body)
VALUES (%s, %s, %s, 0, '{}', '') ON CONFLICT DO NOTHING
"""
KEEP: Final = """
UPDATE idempotency_record SET status = %s, headers = %s, body = %s
WHERE clinician_id = %s AND key = %s
"""
# The lock gives a replay a commit of its own, which waits for synchronous replication like the
# first: a plain SELECT could acknowledge what is on one node only.
SELECT: Final = """
SELECT fingerprint, status, headers, body FROM idempotency_record
WHERE clinician_id = %s AND key = %s FOR KEY SHARE
"""
FORGET: Final = f"DELETE FROM idempotency_record WHERE recorded_at < now() - interval '{KEPT}'"  # noqa: S608


@dataclass(frozen=True)
class StoredAnswer:
    """An answer as it was first given."""

    body: bytes
    status: int = 201
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def fingerprint_of(request: Request, content: bytes) -> str:
    """Method, path, query, ``If-Match`` and body: what makes two requests the same."""
    url = request.url
    seen = request.headers.get("If-Match", "")
    head = f"{request.method} {url.path}?{url.query}\n{seen}\n".encode()
    return hashlib.sha256(head + content).hexdigest()


@dataclass(frozen=True)
class Write:
    """A request that changes something: who sent it, and under which key."""

    request: Request
    services: Services
    access: Access
    clinician: Clinician
    key: UUID

    async def once(
        self, operation: Callable[[FailoverConnection], Awaitable[StoredAnswer]],
        *, content: bytes = b"", lane: WriteLane = "write",
    ) -> Response:  # fmt: skip
        """Run the operation under the key, or give the answer it gave before.

        ``content`` is what the request says beside its address. Raises what the operation raises,
        and `ProblemError` for a key of another request.
        """
        owner, key, access = self.clinician.id, self.key, self.access
        fingerprint = fingerprint_of(self.request, content)

        async def within(connection: FailoverConnection) -> tuple[StoredAnswer, bool]:
            claimed = await connection.execute(CLAIM, (owner, key, fingerprint))
            if claimed.rowcount == 0:
                cursor = await connection.execute(SELECT, (owner, key))
                return _replayed(access, key, fingerprint, await cursor.fetchone()), True
            answer = await operation(connection)
            stored = {**answer.headers, "Content-Type": answer.media_type}
            await connection.execute(KEEP, (answer.status, Jsonb(stored), answer.body, owner, key))
            return answer, False

        answer, is_replayed = await audited_write(
            self.services, access, within, status_of=lambda result: result[0].status, lane=lane
        )
        headers = {"Idempotency-Replayed": "true"} if is_replayed else {}
        return Response(
            answer.body, answer.status, headers={**answer.headers, **headers},
            media_type=answer.media_type,
        )  # fmt: skip


async def _write(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    clinician: AuthenticatedClinician,
    idempotency_key: IdempotencyKey,
) -> Write:
    return Write(request, services, access, clinician, idempotency_key)


WriteDependency = Annotated[Write, Depends(_write)]


def _replayed(
    access: Access, key: UUID, fingerprint: str, row: tuple[Any, ...] | None
) -> StoredAnswer:
    # No row: the key was forgotten between the two statements.
    if row is None or row[0] != fingerprint:
        raise ProblemError(KEY_REUSED, f"Idempotency-Key {key}")
    headers = dict(row[2])
    answer = StoredAnswer(bytes(row[3]), row[1], headers.pop("Content-Type"), headers)
    # An answer about a patient whom the path does not name, names them so.
    if answer.media_type == "application/json" and answer.body:
        patient = orjson.loads(answer.body).get("patient_id")
        access.concerns(*([UUID(patient)] if patient else []))
    return answer
