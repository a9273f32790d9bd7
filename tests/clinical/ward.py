"""Clients by role on one API, and what tests ask its database."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from reference_stack.api.audit_event import audit_key
from reference_stack.api.audit_verify import TrailReport, verify_trail
from reference_stack.api.permissions import Role
from reference_stack.api.settings import ApiSettings
from reference_stack.api.tokens import Clinician, issue_token, utc_now
from tests.api.api_server import CLINICIAN, OTHERS, TOKEN_SECRET, Client
from tests.api.postgres_server import PostgresServer

KEY = audit_key(TOKEN_SECRET)
#: Events that waited on the disk are in the database after this, also on a busy machine.
ARRIVED_S = 10.0


def some_patient(number: int = 3) -> uuid.UUID:
    return OTHERS[number].id


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


@dataclass(frozen=True)
class Ward:
    """One API process; `as_role` are headers of a token of that role."""

    client: Client
    settings: ApiSettings
    server: PostgresServer

    def as_role(self, role: Role, clinician: uuid.UUID = CLINICIAN.id) -> dict[str, str]:
        token = issue_token(self.settings, Clinician(clinician, "Somebody", role), utc_now())
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str, role: Role = "physician", **options: Any) -> httpx.Response:
        headers = {**self.as_role(role), **options.pop("headers", {})}
        return self.client.get(path, headers=headers, **options)

    def post(self, path: str, role: Role = "physician", **options: Any) -> httpx.Response:
        headers = {**key(), **self.as_role(role), **options.pop("headers", {})}
        return self.client.post(path, headers=headers, **options)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.server.execute(sql, *parameters, database="hospital")

    def events_of(self, answer: httpx.Response) -> list[tuple[Any, ...]]:
        """(actor role, patients, purpose, outcome, status) of the events of one request.

        On a busy machine one may have gone to the disk first: none is told of before all of the
        disk's have arrived.
        """
        statement = (
            "SELECT actor_role, patients, purpose, outcome, status FROM audit_event "
            "WHERE request_id = %s"
        )
        deadline = time.monotonic() + ARRIVED_S
        while True:
            waiting = list((self.settings.audit_folder or Path()).glob("*.jsonl"))
            found = self.rows(statement, answer.headers["x-request-id"])
            if found or not waiting or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def verify(self, key: bytes | None = KEY, **options: Any) -> TrailReport:
        with psycopg.connect(self.server.url("hospital"), autocommit=True) as connection:
            return verify_trail(connection, key, **options)
