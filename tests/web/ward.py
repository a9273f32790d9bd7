"""What the browser talks to: two real API processes' worth of one hospital behind a relay."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from reference_stack.hospital.clinicians import Clinician, clinician_password
from tests.api.api_server import HOSPITAL_SECRET
from tests.api.postgres_server import PostgresServer
from tests.api.relay import Relay
from tests.api.upstream import Upstream

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
        return clinician_password(HOSPITAL_SECRET, self.physician.username)

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
        statement = "SELECT count(*) FROM note WHERE position(%s IN text) > 0"
        ((count,),) = self.database.execute(statement, words, database="hospital")
        assert isinstance(count, int)
        return count


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
