"""The probe counts as a client would: what hangs or fails is a failure, and nothing before is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from reference_stack.monitoring.probe import Probe, ProbeFailedError, ProbeMetrics, ProbeSettings
from tests.monitoring.test_monitoring_servers import free_endpoint


class Ward(BaseHTTPRequestHandler):
    """An API of one patient; ``status`` is what a look-up answers."""

    status = 200

    def do_POST(self) -> None:
        self._answer(200, b'{"access_token": "t"}')

    def do_GET(self) -> None:
        if "limit" in self.path:
            self._answer(200, b'{"items": [{"id": "p"}]}')
        else:
            self._answer(self.status, b"{}")

    def log_message(self, *_: object) -> None: ...

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Prontuario-Site", "mac-2")
        self.send_header("X-Prontuario-Mode", "normal")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def ward(status: int) -> Iterator[str]:
    handler = type("Handler", (Ward,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def probe_of(folder: Path, *urls: str) -> tuple[Probe, ProbeMetrics]:
    settings = ProbeSettings(
        host="127.0.0.1", port=0, client_urls=urls, username="u", password="p",
        database_url=f"postgresql://u:p@{free_endpoint()}/d?connect_timeout=2",
        timeout_s=30, disk=folder,
    )  # fmt: skip
    metrics = ProbeMetrics(folder)
    return Probe(settings, metrics), metrics


def attempts(registry: CollectorRegistry, path: str, outcome: str) -> float | None:
    return registry.get_sample_value(
        "prontuario_probe_attempts_total", {"path": path, "outcome": outcome}
    )


def test_it_goes_on_to_the_next_address_when_one_cannot_be_reached(tmp_path: Path) -> None:
    with ward(200) as answering:
        probe, metrics = probe_of(tmp_path, free_endpoint().url, answering)
        asyncio.run(probe._try("read", probe._read))
    assert attempts(metrics.registry, "read", "ok") == 1
    serving = {"serving": "mac-2", "mode": "normal"}
    assert metrics.registry.get_sample_value("prontuario_serving_site", serving) == 1


def test_an_error_of_the_system_is_its_answer_whatever_the_next_address_would_say(
    tmp_path: Path,
) -> None:
    with ward(503) as failing, ward(200) as answering:
        probe, _ = probe_of(tmp_path, failing, answering)
        with pytest.raises(ProbeFailedError, match="503"):
            asyncio.run(probe._read())


def test_failures_count_only_once_a_path_has_been_in_service(tmp_path: Path) -> None:
    with ward(200) as answering:
        probe, metrics = probe_of(tmp_path, answering)
        asyncio.run(probe._try("write", probe._write))
        assert attempts(metrics.registry, "write", "failed") == 0
        asyncio.run(probe._try("read", probe._read))
    asyncio.run(probe._try("read", probe._read))
    assert attempts(metrics.registry, "read", "ok") == 1
    assert attempts(metrics.registry, "read", "failed") == 1


def test_a_refused_login_is_not_tried_again_at_once(tmp_path: Path) -> None:
    probe, _ = probe_of(tmp_path, free_endpoint().url)
    with pytest.raises(httpx.ConnectError):
        asyncio.run(probe._read())
    with pytest.raises(ProbeFailedError, match="not logged in"):
        asyncio.run(probe._read())
