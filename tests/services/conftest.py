"""One whole stack with all its models, and somebody of every role on it."""

from __future__ import annotations

import ssl
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest

from architecture import load_design
from reference_stack.bringup import running
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password

#: More than the emergency has places for.
USERS = 60


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@dataclass
class Hospital:
    """The stack through its edge, as clinicians' devices see it."""

    stack: StackHandle
    client: httpx.Client
    _tokens: dict[str, str] = field(default_factory=dict)

    def people(self, role: str) -> list[tuple[uuid.UUID, str]]:
        """Ids and usernames, in order."""
        with psycopg.connect(self.stack.database_dsn()) as connection:
            return connection.execute(
                "SELECT id, username FROM clinician WHERE role = %s ORDER BY username", (role,)
            ).fetchall()

    def headers(self, username: str) -> dict[str, str]:
        """Authorization, and a fresh Idempotency-Key."""
        if username not in self._tokens:
            password = clinician_password(self.stack.secret("clinicians"), username)
            answer = self.client.post(
                "/v1/login", json={"username": username, "password": password}
            ).raise_for_status()
            self._tokens[username] = answer.json()["access_token"]
        return {
            "Authorization": f"Bearer {self._tokens[username]}",
            "Idempotency-Key": str(uuid.uuid4()),
        }

    def somebody(self, role: str = "physician") -> dict[str, str]:
        return self.headers(self.people(role)[0][1])

    def patients(self, count: int) -> list[str]:
        with psycopg.connect(self.stack.database_dsn()) as connection:
            rows = connection.execute("SELECT id FROM patient ORDER BY id LIMIT %s", (count,))
            return [str(row[0]) for row in rows.fetchall()]


@pytest.fixture(scope="package")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    design = load_design("local", [f"workload.users={USERS}"])
    directory = tmp_path_factory.mktemp("services")
    with running(design, directory, instance=None, seed=1, progress=tell) as handle:
        verify = ssl.create_default_context(cafile=str(handle.certificate_authority))
        # A connection of before a node's death is of no use after it.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(
            base_url=handle.api_url, verify=verify, timeout=120.0, limits=limits
        ) as client:
            yield Hospital(handle, client)
