"""The real application over uvicorn on a free port, and a client that is logged in."""

from __future__ import annotations

import socket
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from reference_stack.api.auth import Clinician, issue_token, utc_now
from reference_stack.api.server import server_configuration
from reference_stack.api.settings import ApiSettings
from reference_stack.hospital.clinicians import generate_clinicians
from reference_stack.hospital.patients import generate_patients
from tests.api.upstream import DEADLINE_S, Upstream, wait_until

TOKEN_SECRET = "0123456789abcdef0123456789abcdef"
HOSPITAL_SECRET = "secret of the tests"
SEED, PATIENTS, CLINICIANS = 7, 200, 5
PATIENT, *OTHERS = generate_patients(SEED, PATIENTS)
CLINICIAN = generate_clinicians(SEED, CLINICIANS)[0]
NOTES_PATH = f"/v1/patients/{PATIENT.id}/notes"
NOBODY_LISTENS = "http://127.0.0.1:9"
# A session's shared client keeps its token for all tests that use it, on a slow machine for hours.
TOKEN_LIFETIME_S = 6 * 3600
# Each API has a folder of its own in it: no test's events may turn up in another's database.
_AUDIT_FOLDERS = tempfile.TemporaryDirectory(prefix="prontuario-audit-")


def api_settings(database_url: str, **changes: Any) -> ApiSettings:
    values = {
        "host": "127.0.0.1",
        "port": 0,
        "site": "mac-1",
        "mode": "normal",
        "database_url": database_url,
        "database_pool_size": 6,
        "inference_url": NOBODY_LISTENS,
        "token_secret": TOKEN_SECRET,
        "token_lifetime_s": TOKEN_LIFETIME_S,
        # For tests of other things than the database's absence: a busy machine is no outage.
        "request_timeout_s": 30.0,
        # One test's queue is not another's.
        "report_worker": False,
        "audit_folder": Path(_AUDIT_FOLDERS.name) / str(uuid.uuid4()),
    }
    return ApiSettings.model_validate({**values, **changes})


class Client(httpx.Client):
    """Authenticated as `CLINICIAN`, without asking the database for it."""

    def __init__(self, base_url: str, settings: ApiSettings) -> None:
        clinician = Clinician(CLINICIAN.id, CLINICIAN.name, CLINICIAN.role)
        token = issue_token(settings, clinician, utc_now())
        super().__init__(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=120,
            trust_env=False,
        )

    def write_note(
        self, text: str = "Paciente estável.", key: str | None = None, **body: Any
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.post(NOTES_PATH, json={"text": text, **body}, headers=headers)

    def look_up(self) -> httpx.Response:
        return self.get(f"/v1/patients/{PATIENT.id}")

    def wait_until_served(self) -> None:
        """Until the API has its connections: its first seconds may outlast a short time-out."""
        wait_until(lambda: self.look_up().status_code == 200)
        wait_until(lambda: self.write_note().status_code == 201)


def ask_and_leave(client: httpx.Client, upstream: Upstream, path: str, **request: Any) -> None:
    """POST, and close the connection as soon as the upstream has fallen silent over it."""
    message = client.build_request("POST", path, **request)
    lines = [b"POST %s HTTP/1.1" % message.url.raw_path]
    lines += [b"%s: %s" % header for header in message.headers.raw]
    with socket.create_connection((message.url.host, message.url.port or 80)) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", b""]) + message.read())
        assert upstream.silent.wait(DEADLINE_S)


@contextmanager
def serving(settings: ApiSettings) -> Iterator[Client]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = server_configuration(settings)
    config.timeout_graceful_shutdown = 2
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive()
        with Client(f"http://127.0.0.1:{listener.getsockname()[1]}", settings) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and type of a problem document."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["type"]
