"""Ends a dead primary's lease early: watches it from outside, makes sure, fences it, revokes.

Patroni's standby promotes itself when the primary's lease has run out, which takes up to the whole
lease (20 s at the least). An agent that *knows* the primary to be dead can revoke the lease in
etcd, and the standby promotes at once. To know it, four things come one after another:

1. The site that holds the lease has failed its health check by the design's rule (B-04: every 5 s,
   2 s, three times). A check fails only if *nothing* of the site answers: neither Patroni, nor
   PostgreSQL, nor the API. A crashed process is Patroni's business.
2. The standby has heard nothing from it either, for longer than a healthy primary is ever silent.
   So a cut between this agent and the primary alone changes nothing.
3. The site is fenced: the power controller says that nothing of it runs any more.
4. The lease in etcd is still that site's, and the same as before.

If any of them fails nothing is revoked, and the lease runs out as it would have.
"""

from __future__ import annotations

import argparse
import base64
import logging
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from prometheus_client import Counter, Gauge, start_http_server
from pydantic import Field

from architecture.edge import HealthCheck
from architecture.values import Strict
from reference_stack.addresses import Endpoint
from reference_stack.database.etcd import EtcdApi
from reference_stack.errors import StackError
from reference_stack.handle import StackHandle
from reference_stack.health_check import CheckState, after, pause_s

log = logging.getLogger("failure-detector")

#: A walsender that has nothing to send says so after half of wal_sender_timeout (10 s here; see
#: PostgreSQL's documentation of wal_sender_timeout), so a second more is silence.
SILENCE_S = 6.0
_HTTP_QUESTION = b"OPTIONS / HTTP/1.0\r\n\r\n"
#: SSLRequest of PostgreSQL's protocol, which any server answers with one letter before log-in.
_POSTGRESQL_QUESTION = struct.pack("!II", 8, 80877103)
_STANDBY_SILENCE = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - max(last_msg_receipt_time)), 'infinity')
FROM pg_stat_wal_receiver
"""


class Target(Strict):
    """A site of the database, as the agent reaches it."""

    patroni: tuple[str, int]
    database: tuple[str, int]
    api: tuple[str, int] | None = None
    dsn: str = Field(description="libpq URL of the site's own server", repr=False)


class Settings(Strict):
    """What the agent is told by the design."""

    host: str
    port: int
    check: HealthCheck
    targets: dict[str, Target]
    etcd: dict[str, str] = Field(description="client URL by site")
    leader_key: str
    stack_directory: str


@dataclass(frozen=True)
class LeaseHolder:
    """Who holds the primary's lease, and which lease it is."""

    site: str
    lease: str


class Consensus:
    """The primary's lease as etcd knows it."""

    def __init__(self, api: EtcdApi, leader_key: str) -> None:
        self._api = api
        self._key = base64.b64encode(leader_key.encode()).decode()

    def holder(self) -> LeaseHolder | None:
        """The holder by the word of etcd's quorum; None when there is none, or no quorum."""
        answer = self._api.ask("/v3/kv/range", {"key": self._key})
        for entry in (answer or {}).get("kvs", []):
            site = base64.b64decode(entry["value"]).decode()
            return LeaseHolder(site, str(entry.get("lease", "0")))
        return None

    def revoke(self, holder: LeaseHolder) -> bool:
        """Revoke the lease if it is still this one; True when it is gone by our hand."""
        if self.holder() != holder:
            return False
        return self._api.ask("/v3/lease/revoke", {"ID": holder.lease}) is not None


@dataclass(frozen=True)
class Senses:
    """What the agent perceives and does; the rim around :class:`Detector`.

    Attributes:
        answers: Whether anything of a site answers, within the check's time-out.
        heard_by_others: Whether another database site has heard from it lately.
        fence: End everything of a site; True when nothing of it runs any more.
    """

    answers: Callable[[str], bool]
    heard_by_others: Callable[[str], bool]
    fence: Callable[[str], bool]


class Detector:
    """Watches whoever holds the lease."""

    def __init__(self, check: HealthCheck, consensus: Consensus, senses: Senses) -> None:
        self._check = check
        self._consensus = consensus
        self._senses = senses
        self._watched: str | None = None
        self.state = CheckState()
        self.revoked = 0

    def step(self) -> float:
        """Check once, and act if it must be; seconds until the next check."""
        holder = self._consensus.holder()
        if holder is None:
            return self._check.transition_interval_s
        if holder.site != self._watched:
            log.info("%s holds the lease", holder.site)
            self._watched, self.state = holder.site, CheckState()
        success = self._senses.answers(holder.site)
        before, self.state = self.state, after(self._check, self.state, success=success)
        if not success:
            log.warning("%s does not answer", holder.site)
        if not self.state.up:
            self._end_lease(holder)
            return self._check.transition_interval_s
        if not before.up:
            log.info("%s answers again", holder.site)
        return pause_s(self._check, self.state)

    def _end_lease(self, holder: LeaseHolder) -> None:
        site = holder.site
        if self._senses.heard_by_others(site):
            log.warning("%s is down for this agent, but its standby hears it: not touched", site)
            return
        if not self._senses.fence(site):
            log.warning("%s is down, but could not be fenced: its lease must run out", site)
            return
        revoked = self._consensus.revoke(holder)
        self.revoked += revoked
        log.warning("%s is down and fenced; its lease is %s", site,
                    "revoked" if revoked else "no longer its own")  # fmt: skip
        self._watched = None


def connects(endpoint: tuple[str, int], question: bytes, timeout_s: float) -> bool:
    """Whether a server accepts a connection and says anything at all to ``question``."""
    try:
        with socket.create_connection(endpoint, timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(question)
            return bool(connection.recv(1))
    except OSError:
        return False


def site_answers(target: Target, timeout_s: float) -> bool:
    """Whether anything of the site answers; all are asked side by side."""
    questions = {target.patroni: _HTTP_QUESTION, target.database: _POSTGRESQL_QUESTION}
    if target.api is not None:
        questions[target.api] = _HTTP_QUESTION
    answered = threading.Event()
    threads = [
        threading.Thread(
            target=lambda e=endpoint, q=question: (
                answered.set() if connects(e, q, timeout_s) else None
            ),
            daemon=True,
        )
        for endpoint, question in questions.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout_s
    while not answered.is_set() and any(thread.is_alive() for thread in threads):
        if time.monotonic() >= deadline:
            break
        answered.wait(0.01)
    return answered.is_set()


def heard_lately(dsn: str, timeout_s: float) -> bool | None:
    """Whether a standby has had word from its primary within ``SILENCE_S``; None: it can't say."""
    try:
        with psycopg.connect(
            dsn, connect_timeout=max(2, round(timeout_s)), autocommit=True,
            options=f"-c statement_timeout={round(timeout_s * 1000)}",
        ) as connection:  # fmt: skip
            row = connection.execute(_STANDBY_SILENCE).fetchone()
    except psycopg.Error:
        return None
    return row is not None and float(row[0]) < SILENCE_S


class Powers:
    """The agent's reach into the world: probes, the standby's word, the power controller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def senses(self) -> Senses:
        """The rim for :class:`Detector`."""
        return Senses(self._answers, self._heard_by_others, self._fence)

    def _answers(self, site: str) -> bool:
        return site_answers(self._settings.targets[site], self._settings.check.timeout_s)

    def _heard_by_others(self, site: str) -> bool:
        """True also when no standby can be asked: without a second witness nothing is done."""
        others = [t for name, t in self._settings.targets.items() if name != site]
        words = [heard_lately(t.dsn, self._settings.check.timeout_s) for t in others]
        known = [word for word in words if word is not None]
        return any(known) or not known

    def _fence(self, site: str) -> bool:
        try:
            handle = StackHandle.attach(Path(self._settings.stack_directory))
            handle.kill(site)
            return handle.status()[site].state in {"dead", "stopped"}
        except StackError as error:
            log.warning("fencing %s failed: %s", site, error)
            return False


def serve(settings: Settings) -> None:
    """Watch until the process is ended."""
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    etcd = EtcdApi(settings.etcd, timeout_s=settings.check.timeout_s)
    detector = Detector(
        settings.check, Consensus(etcd, settings.leader_key), Powers(settings).senses()
    )
    up = Gauge("failure_detector_primary_up", "Whether the lease's holder is up by the check")
    failures = Gauge("failure_detector_failed_checks", "Failed checks of it in a row")
    revoked = Counter("failure_detector_revoked_leases", "Leases ended early")
    start_http_server(settings.port, settings.host)
    while not done.is_set():
        before = detector.revoked
        wait_s = detector.step()
        up.set(detector.state.up)
        failures.set(0 if not detector.state.up else detector.state.against)
        revoked.inc(detector.revoked - before)
        done.wait(wait_s)


def target(here: Callable[[str], Endpoint], dsn: str, *, has_api: bool) -> Target:
    """A target from a site's endpoints."""

    def pair(service: str) -> tuple[str, int]:
        endpoint = here(service)
        return endpoint.host, endpoint.port

    return Target(
        patroni=pair("patroni"), database=pair("database"),
        api=pair("api") if has_api else None, dsn=dsn,
    )  # fmt: skip


def main() -> None:
    """Entry point: ``python -m reference_stack.database.failure_detector --settings FILE``."""
    parser = argparse.ArgumentParser(prog="reference_stack.database.failure_detector")
    parser.add_argument("--settings", type=Path, required=True)
    path = parser.parse_args().settings
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    serve(Settings.model_validate_json(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
