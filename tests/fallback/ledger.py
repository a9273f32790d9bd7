"""Writers whose acknowledged notes are remembered, and a watcher that counts primaries."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from reference_stack.handle import StackHandle
from reference_stack.rendering import DATABASE_NAME, DATABASE_USER, database_url

INSERT = """
INSERT INTO note (client_id, patient_id, author_id, text)
VALUES (%s, (SELECT min(id::text)::uuid FROM patient), (SELECT min(id::text)::uuid FROM clinician),
        %s)
"""


def application_url(handle: StackHandle) -> str:
    """Both balancers' write path, the first that answers."""
    balancers = [
        handle.endpoint(site, "balancer-database") for site in handle.design.sites_with("balancer")
    ]
    url = database_url(balancers, DATABASE_USER, handle.secret("application"))
    patience = "connect_timeout=2&tcp_user_timeout=3000&keepalives_idle=2&keepalives_interval=1"
    return f"{url}{'&' if '?' in url else '?'}{patience}&keepalives_count=3"


def site_dsn(handle: StackHandle, site: str) -> str:
    """One server's own superuser connection, with a short patience."""
    server = handle.endpoint(site, "database")
    url = database_url([server], "postgres", handle.secret("superuser"), DATABASE_NAME)
    return f"{url}{'&' if '?' in url else '?'}connect_timeout=2"


@dataclass(frozen=True)
class Written:
    """One note: when it was sent and (if ever) acknowledged, in seconds of the monotonic clock."""

    client_id: str
    sent_s: float
    acknowledged_s: float | None


@dataclass
class Ledger:
    """Writes notes without pause from some threads until :meth:`stop`."""

    url: str
    writers: int = 2
    pause_s: float = 0.02
    notes: list[Written] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Ledger:
        for _ in range(self.writers):
            thread = threading.Thread(target=self._write, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def acknowledged(self, before_s: float = float("inf")) -> list[Written]:
        return [
            note
            for note in list(self.notes)
            if note.acknowledged_s is not None and note.acknowledged_s <= before_s
        ]

    def first_sent_after(self, moment_s: float) -> float:
        """When the first note sent after a moment was acknowledged; infinity if none was."""
        times = [n.acknowledged_s for n in self.acknowledged() if n.sent_s >= moment_s]
        return min((t for t in times if t is not None), default=float("inf"))

    def longest_silence_s(self, since_s: float, until_s: float) -> float:
        """Longest time in which no note at all was acknowledged."""
        times = sorted(
            note.acknowledged_s
            for note in self.acknowledged()
            if note.acknowledged_s is not None and since_s <= note.acknowledged_s <= until_s
        )
        edges = [since_s, *times, until_s]
        return max(b - a for a, b in itertools.pairwise(edges))

    def lost(self, handle: StackHandle, site: str, notes: Sequence[Written]) -> list[Written]:
        """Those of ``notes`` that a site's server doesn't hold."""
        with psycopg.connect(site_dsn(handle, site), autocommit=True) as connection:
            rows = connection.execute("SELECT client_id::text FROM note").fetchall()
        held = {row[0] for row in rows}
        return [note for note in notes if note.client_id not in held]

    def _write(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = psycopg.connect(self.url, autocommit=True)
                    connection.execute("SET statement_timeout = '5s'")
            except psycopg.Error:
                connection = None
                self._stop.wait(0.05)
                continue
            client_id, sent = str(uuid.uuid4()), time.monotonic()
            try:
                connection.execute(INSERT, (client_id, f"nota {client_id}"))
            except psycopg.Error:
                self.notes.append(Written(client_id, sent, None))
                with contextlib.suppress(psycopg.Error):
                    connection.close()
                connection = None
            else:
                self.notes.append(Written(client_id, sent, time.monotonic()))
            self._stop.wait(self.pause_s)
        if connection is not None:
            connection.close()


@dataclass(frozen=True)
class Sample:
    """An answer of one server between two moments."""

    start_s: float
    end_s: float
    primary: bool


@dataclass
class Primaries:
    """Asks every server all the time whether it is a primary; not Patroni, PostgreSQL itself."""

    handle: StackHandle
    sites: Sequence[str]
    every_s: float = 0.1
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Primaries:
        for site in self.sites:
            self.samples[site] = []
            thread = threading.Thread(target=self._sample, args=(site,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def now(self) -> list[str]:
        """Sites whose latest answer was: primary."""
        return [site for site, seen in self.samples.items() if seen and seen[-1].primary]

    def rivals(self) -> list[tuple[str, str, float]]:
        """(one, other, when): one was primary just before and just after the other was."""
        return [
            (one, other, theirs.start_s)
            for one in self.sites
            for other in self.sites
            if one != other
            for before, after in zip(self.samples[one], self.samples[one][1:], strict=False)
            if before.primary and after.primary
            for theirs in self.samples[other]
            if theirs.primary and before.end_s <= theirs.start_s and theirs.end_s <= after.start_s
        ]

    def _sample(self, site: str) -> None:
        connection: psycopg.Connection[Any] | None = None
        dsn = site_dsn(self.handle, site)
        while not self._stop.is_set():
            start, primary = time.monotonic(), False
            try:
                if connection is None:
                    connection = psycopg.connect(f"{dsn}&tcp_user_timeout=1500", autocommit=True)
                row = connection.execute("SELECT NOT pg_is_in_recovery()").fetchone()
                primary = bool(row and row[0])
            except psycopg.Error:
                if connection is not None:
                    with contextlib.suppress(psycopg.Error):
                        connection.close()
                connection = None
            self.samples[site].append(Sample(start, time.monotonic(), primary))
            self._stop.wait(self.every_s)
        if connection is not None:
            connection.close()
