"""``python -m reference_stack.monitoring.sink --settings FILE``: keeps the alerts that arrive.

It stands where a pager would. Each alert of each message Alertmanager sends becomes one JSON line
in ``file``, with the time it was received; ``GET /alerts`` gives them all back, oldest first.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from architecture.values import Strict
from reference_stack.monitoring.alertmanager import SINK_PATH

log = logging.getLogger("alert-sink")

MAX_BODY_BYTES = 4_000_000


class SinkSettings(Strict):
    """Where the sink listens and keeps what it gets."""

    host: str
    port: int = Field(ge=0, le=65535)
    file: Path


class _Sent(Strict):
    """One alert of a message, as Alertmanager's webhook documentation gives it."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: datetime
    ends_at: datetime
    fingerprint: str = ""


class _Message(Strict):
    model_config = ConfigDict(extra="ignore")

    alerts: tuple[_Sent, ...]


class ReceivedAlert(Strict):
    """One line of the sink's file.

    ``received_at`` is the sink's clock, ``starts_at`` Prometheus's: when the expression's ``for``
    had passed.
    """

    received_at: datetime
    status: Literal["firing", "resolved"]
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None


def received(body: bytes, at: datetime) -> tuple[ReceivedAlert, ...]:
    """The alerts of one webhook message.

    Raises:
        ValidationError: when it is none.
    """
    return tuple(
        ReceivedAlert(
            received_at=at,
            status=alert.status,
            name=alert.labels.get("alertname", ""),
            labels=alert.labels,
            annotations=alert.annotations,
            starts_at=alert.starts_at,
            ends_at=alert.ends_at if alert.status == "resolved" else None,
        )
        for alert in _Message.model_validate_json(body).alerts
    )


class Journal:
    """The file of received alerts; written by one message at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        file.touch(mode=0o600)

    def append(self, alerts: Iterable[ReceivedAlert]) -> None:
        """Add one line for each alert."""
        lines = "".join(f"{alert.model_dump_json()}\n" for alert in alerts)
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(lines)

    def read(self) -> list[dict[str, Any]]:
        """All alerts, oldest first; a line that a crash cut short is left out."""
        found = []
        with self._lock:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                log.warning("a line of %s is damaged", self._file)
        return found


class _Handler(BaseHTTPRequestHandler):
    journal: Journal

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != SINK_PATH or length > MAX_BODY_BYTES:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"POST alerts to {SINK_PATH}"})
            return
        try:
            alerts = received(self.rfile.read(length), datetime.now(UTC))
        except ValidationError as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self.journal.append(alerts)
        for alert in alerts:
            log.info("%s %s %s", alert.status, alert.name, alert.labels)
        self._answer(HTTPStatus.OK, {"received": len(alerts)})

    def do_GET(self) -> None:
        if self.path == "/alerts":
            self._answer(HTTPStatus.OK, {"alerts": self.journal.read()})
        elif self.path == "/health":
            self._answer(HTTPStatus.OK, {"status": "ok"})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there are /alerts and /health"})

    def log_message(self, *_arguments: object) -> None:
        """Requests are not events; alerts are logged where they are kept."""

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(settings: SinkSettings) -> ThreadingHTTPServer:
    """A sink that listens; the caller serves and closes it."""
    handler = type("Handler", (_Handler,), {"journal": Journal(settings.file)})
    return ThreadingHTTPServer((settings.host, settings.port), handler)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="reference_stack.monitoring.sink", description=__doc__)
    parser.add_argument("--settings", required=True, type=Path)
    path = parser.parse_args().settings
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    settings = SinkSettings.model_validate_json(path.read_text(encoding="utf-8"))
    with server(settings) as listening:
        # shutdown() waits for the loop, which this thread runs: it needs another one.
        signal.signal(
            signal.SIGTERM, lambda *_: threading.Thread(target=listening.shutdown).start()
        )
        log.info("listening on %s:%d", *listening.server_address[:2])
        listening.serve_forever()


if __name__ == "__main__":
    main()
