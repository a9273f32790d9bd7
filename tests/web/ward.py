"""What the browser talks to: two real API processes' worth of one hospital behind a relay."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from reference_stack.api.settings import ApiSettings
from reference_stack.hospital.clinicians import (
    Clinician,
    clinician_password,
    generate_clinicians,
)
from tests.api.api_server import HOSPITAL_SECRET, api_settings
from tests.api.postgres_server import PostgresServer
from tests.api.relay import Relay
from tests.api.upstream import Upstream, wait_until
from tests.ports import free_port

START_DEADLINE_S: Final = 180.0

NORMAL: dict[str, Any] = {"leader": "hospital", "phase": "hospital", "message": None}
EMERGENCY: dict[str, Any] = {
    "leader": "cloud",
    "phase": "emergency",
    "message": "Operação de emergência pela nuvem. Volta prevista em 2 a 4 horas.",
}


class Leadership(ThreadingHTTPServer):
    """Speaks as the fallback controller does: who leads, and what users are to know."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Leadership)
        self.document = NORMAL

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Leadership(BaseHTTPRequestHandler):
    server: Leadership

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        content = json.dumps(self.server.document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def leading() -> Iterator[Leadership]:
    server = Leadership()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Ward:
    """The hospital behind one address, and what tests do to it."""

    database: PostgresServer
    upstream: Upstream
    leadership: Leadership
    edge: Relay
    mac_1: int
    mac_2: int
    gcp: int
    physician: Clinician
    receptionist: Clinician

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.edge.port}"

    @property
    def password(self) -> str:
        return password_of(self.physician)

    def lead(self, port: int | None) -> None:
        """New connections go to this API; those there are end, as when a node dies."""
        self.edge.target_port = port
        self.edge.shut_sessions()

    def heal(self) -> None:
        """Everything as at the beginning."""
        self.upstream.script = "answer"
        self.leadership.document = NORMAL
        self.edge.swallow_answers = False
        if self.edge.target_port != self.mac_1:
            self.lead(self.mac_1)

    def notes(self, words: str) -> int:
        """How many notes hold the words."""
        return self._count("SELECT count(*) FROM note WHERE position(%s IN text) > 0", words)

    def exchanges(self, question: str) -> int:
        """How many saved exchanges begin with the question."""
        return self._count("SELECT count(*) FROM chat_exchange WHERE question = %s", question)

    def _count(self, statement: str, *parameters: object) -> int:
        ((count,),) = self.database.execute(statement, *parameters, database="hospital")
        assert isinstance(count, int)
        return count


def password_of(clinician: Clinician) -> str:
    return clinician_password(HOSPITAL_SECRET, clinician.username)


def physician_of(seed: int, clinicians: int) -> Clinician:
    """The first physician of a hospital."""
    staff = generate_clinicians(seed, clinicians)
    return next(person for person in staff if person.role == "physician")


class ApiProcess:
    """A site's API as the stack starts it: a process of its own, on one port for all its lives."""

    def __init__(self, settings: ApiSettings, folder: Path) -> None:
        self.port = settings.port
        self._settings = folder / "api.json"
        self._settings.write_text(settings.model_dump_json())
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reference_stack.api", "--settings", str(self._settings)],
                stderr=log,
            )
        wait_until(self._answers, START_DEADLINE_S)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            url = f"http://127.0.0.1:{self.port}/health"
            return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def api_process(ward: Ward, folder: Path) -> Iterator[ApiProcess]:
    """A running API process of the ward's hospital."""
    settings = api_settings(
        ward.database.url("hospital"), site="mac-1", port=free_port(),
        inference_url=ward.upstream.url, fallback_url=ward.leadership.url, request_timeout_s=5.0,
    )  # fmt: skip
    process = ApiProcess(settings, folder)
    try:
        process.start()
        yield process
    finally:
        process.kill()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
