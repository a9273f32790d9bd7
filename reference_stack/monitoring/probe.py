"""``python -m reference_stack.monitoring.probe --settings FILE``: one client that always tries.

The other components export what they do; only a client sees whether the whole of them serves. The
probe tries three paths on a fixed beat, each attempt on its own, so that one that hangs does not
hide those due meanwhile:

- ``read``: one patient's look-up through the edge, with a login's token;
- ``login``: username and password through the edge;
- ``write``: one row of ``monitoring.heartbeat`` through the edge's database path. It says that the
  primary database commits, not that the API's route for notes works: that is in the API's metrics.

A client goes on to the next address only when one can't be reached, as the iPhones do; what a
balancer answers, it answers for the system. A path counts from its first success on, so that the
stack's own start is no outage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import shutil
import signal
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import httpx
import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from pydantic import Field

from architecture.values import Positive, Strict
from reference_stack.monitoring import names
from reference_stack.monitoring.database import WRITE_HEARTBEAT

log = logging.getLogger("probe")

ProbePath = Literal["read", "login", "write"]
PATHS: tuple[ProbePath, ...] = ("read", "login", "write")
# Around the promised 100 ms of a look-up (B-17), up to a client's patience.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
# Fewer failed logins a minute than make the API lock the account for a while.
LOGIN_PAUSE_S = 10.0


class ProbeSettings(Strict):
    """Where the probe goes, as whom, and how often. Times in seconds."""

    host: str
    port: int = Field(ge=0, le=65535)
    client_urls: tuple[str, ...] = Field(min_length=1, description="in the order a client tries")
    authority: Path | None = Field(default=None, description="certificate to trust; PEM")
    username: str
    password: str = Field(repr=False)
    database_url: str = Field(repr=False, description="write path through the edge")
    every_s: Positive = 1.0
    login_every_s: Positive = 60.0
    timeout_s: Positive = 5.0
    disk: Path = Field(description="folder on the disk whose free space is told")


class ProbeFailedError(Exception):
    """An attempt ended without what the client came for."""


class ProbeMetrics:
    """What the probe tells Prometheus."""

    def __init__(self, disk: Path) -> None:
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            names.PROBE_ATTEMPTS, "Attempts ended", ["path", "outcome"], registry=self.registry
        )
        self._duration = Histogram(
            names.PROBE_DURATION,
            "Duration of the attempts that succeeded, in seconds",
            ["path"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._last_success = Gauge(
            names.PROBE_LAST_SUCCESS,
            "When the last attempt to succeed was begun, Unix time",
            ["path"],
            registry=self.registry,
        )
        self._serving = Gauge(
            names.SERVING_SITE,
            "1 for the site and mode that answered the last look-up",
            ["serving", "mode"],
            registry=self.registry,
        )
        self._certificate_end = Gauge(
            names.CERTIFICATE_END,
            "End of the certificate the edge showed last, Unix time",
            registry=self.registry,
        )
        free = Gauge(
            names.DISK_FREE, "Free bytes where the site's files lie", registry=self.registry
        )
        free.set_function(lambda: shutil.disk_usage(disk).free)
        for path in PATHS:
            # A series that starts at its first failure hides that failure from `rate`.
            for outcome in ("ok", "failed"):
                self._attempts.labels(path, outcome)
        self._in_service: set[ProbePath] = set()

    def succeeded(self, path: ProbePath, begun_unix_s: float, duration_s: float) -> None:
        """An attempt did what it came for."""
        self._in_service.add(path)
        self._attempts.labels(path, "ok").inc()
        self._duration.labels(path).observe(duration_s)
        self._last_success.labels(path).set(begun_unix_s)

    def failed(self, path: ProbePath) -> None:
        """An attempt did not."""
        if path in self._in_service:
            self._attempts.labels(path, "failed").inc()

    def answered_by(self, site: str, mode: str) -> None:
        """Who answered the last look-up."""
        self._serving.clear()
        self._serving.labels(site, mode).set(1)

    def certificate_ends(self, unix_s: float) -> None:
        """The certificate the edge showed is valid until then."""
        self._certificate_end.set(unix_s)


class Probe:
    """Tries the three paths and counts."""

    def __init__(self, settings: ProbeSettings, metrics: ProbeMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._tls = _trust(settings.authority)
        self._token: str | None = None
        self._login_due = 0.0
        self._patient: str | None = None

    async def run(self) -> None:
        """Try for ever, each path on its own beat."""
        settings = self._settings
        async with asyncio.TaskGroup() as beats:
            beats.create_task(self._beat("login", self._login, settings.login_every_s))
            beats.create_task(self._beat("read", self._read, settings.every_s))
            beats.create_task(self._beat("write", self._write, settings.every_s))

    async def _beat(
        self, path: ProbePath, attempt: Callable[[], Awaitable[None]], every_s: float
    ) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as attempts:
            while True:
                attempts.create_task(self._try(path, attempt))
                due += every_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _try(self, path: ProbePath, attempt: Callable[[], Awaitable[None]]) -> None:
        begun_unix_s, begun = time.time(), time.monotonic()
        try:
            await attempt()
        except (ProbeFailedError, httpx.HTTPError, psycopg.Error, OSError, TimeoutError) as error:
            self._metrics.failed(path)
            log.warning("%s failed: %s", path, str(error).strip() or type(error).__name__)
        else:
            self._metrics.succeeded(path, begun_unix_s, time.monotonic() - begun)

    async def _login(self) -> None:
        self._login_due = time.monotonic() + LOGIN_PAUSE_S
        body = {"username": self._settings.username, "password": self._settings.password}
        answer = await self._ask("POST", "/v1/login", body=body)
        self._token = str(answer.json()["access_token"])

    async def _read(self) -> None:
        if self._token is None:
            if time.monotonic() < self._login_due:
                raise ProbeFailedError("not logged in")
            await self._login()
        try:
            if self._patient is None:
                page = await self._ask("GET", "/v1/patients?limit=1")
                self._patient = str(page.json()["items"][0]["id"])
            answer = await self._ask("GET", f"/v1/patients/{self._patient}")
        except _TokenRefusedError:
            self._token = None
            raise
        self._metrics.answered_by(
            answer.headers.get("X-Prontuario-Site", "unknown"),
            answer.headers.get("X-Prontuario-Mode", "unknown"),
        )

    async def _write(self) -> None:
        async with (
            asyncio.timeout(self._settings.timeout_s),
            await psycopg.AsyncConnection.connect(
                self._settings.database_url, autocommit=True, application_name="probe"
            ) as connection,
        ):
            await connection.execute(WRITE_HEARTBEAT)

    async def _ask(
        self, method: str, path: str, body: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer of the first address that can be reached.

        Raises:
            ProbeFailedError: when it is an error.
            httpx.HTTPError: when none can be reached.
        """
        # The cache could answer for a database that is away.
        headers = {"Cache-Control": "no-cache"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        unreachable: httpx.HTTPError | None = None
        for url in self._settings.client_urls:
            try:
                async with httpx.AsyncClient(
                    verify=self._tls, timeout=self._settings.timeout_s, trust_env=False
                ) as client:
                    request = client.build_request(
                        method, f"{url}{path}", headers=headers, json=body
                    )
                    answer = await client.send(request, stream=True)
                    self._note_certificate(answer)
                    await answer.aread()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                unreachable = error
                continue
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                raise _TokenRefusedError(f"{method} {url}{path}: the token is refused")
            if not answer.is_success:
                raise ProbeFailedError(f"{method} {url}{path}: {answer.status_code}")
            return answer
        raise unreachable or ProbeFailedError("there is no address to try")

    def _note_certificate(self, answer: httpx.Response) -> None:
        stream = answer.extensions.get("network_stream")
        session = stream.get_extra_info("ssl_object") if stream is not None else None
        end = (session.getpeercert() or {}).get("notAfter") if session is not None else None
        if isinstance(end, str):
            self._metrics.certificate_ends(ssl.cert_time_to_seconds(end))


class _TokenRefusedError(ProbeFailedError):
    """The token counts no more; the next attempt logs in again."""


def _trust(authority: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority) if authority else None)


async def _serve(settings: ProbeSettings) -> None:
    metrics = ProbeMetrics(settings.disk)
    server, _ = start_http_server(settings.port, settings.host, metrics.registry)
    log.info("listening on %s:%d", settings.host, server.server_port)
    probing = asyncio.create_task(Probe(settings, metrics).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, probing.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await probing
    server.shutdown()


def main() -> None:
    """Probe until SIGTERM."""
    parser = argparse.ArgumentParser(prog="reference_stack.monitoring.probe")
    parser.add_argument("--settings", required=True, type=Path)
    path = parser.parse_args().settings
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_serve(ProbeSettings.model_validate_json(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
