"""When a base backup is made: by the site whose server is the primary, when one is due."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge

from architecture.values import Strict
from reference_stack import plain_http
from reference_stack.database.backup import (
    BackupError,
    BackupStore,
    BaseBackup,
    base_backups,
    make_base_backup,
    reachable,
)

log = logging.getLogger("base-backup")

POLL_S = 2.0
RETRY_S = 60.0
REMOVAL_TIMEOUT_S = 120.0


class BackupSettings(Strict):
    """What the schedule of one site needs. ``settle_s``: how long a new primary is left alone."""

    store: BackupStore
    store_file: Path
    gap: Path
    base_every_h: float
    keep_base_backups: int
    settle_s: float
    timeout_s: float
    patroni_url: str
    host: str
    port: int
    user: str
    password: str


def reason(
    backups: Sequence[BaseBackup], *, now: datetime, timeline: int, gap: bool, every_h: float
) -> str | None:
    """Why a base backup is due, or None.

    A new timeline is a reason because the files the old primary had not archived when it died are
    missing between the last base backup and now, as long as it does not come back.
    """
    if not backups:
        return "there is none yet"
    last = backups[-1]
    if gap:
        return "WAL was let go while the bucket was away"
    if last.timeline != timeline:
        return f"the last is of timeline {last.timeline}, this is {timeline}"
    if last.age_s(now) >= every_h * 3600:
        return f"the last is {last.age_s(now) / 3600:.1f} h old"
    return None


class Schedule:
    """Makes base backups and removes old ones until it is told to stop."""

    def __init__(self, settings: BackupSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._closing = settings.gap.with_name(f"{settings.gap.name}.closing")
        self._known: tuple[BaseBackup, ...] = ()
        self._primary_since: float | None = None
        self._not_before = 0.0
        self._end = Gauge(
            "postgresql_base_backup_end_timestamp_seconds",
            "When the newest base backup was complete, as far as this site knows",
            registry=registry,
        )
        self._failures = Counter(
            "postgresql_base_backup_failures", "Base backups that failed", registry=registry
        )

    def run(self, stop: threading.Event) -> None:
        """Look every ``POLL_S`` whether a base backup is due, and make it."""
        while not stop.wait(POLL_S):
            try:
                self.look(time.monotonic())
            except BackupError as error:
                self._failures.inc()
                self._not_before = time.monotonic() + RETRY_S
                log.warning("failed: %s", error)

    def look(self, now_s: float) -> None:
        """Make a base backup if this site's server is primary, settled, and one is due.

        Raises:
            BackupError: when it was due and failed.
        """
        settings = self._settings
        timeline = primary_timeline(settings.patroni_url)
        if timeline is None:
            self._primary_since = None
            return
        if self._primary_since is None:
            self._primary_since = now_s
            self._known = ()  # the other site may have made some meanwhile
        if now_s < max(self._primary_since + settings.settle_s, self._not_before):
            return
        if self._reason(timeline) is None or not reachable(settings.store):
            return
        self._learn()
        why = self._reason(timeline)
        if why is not None:
            self._make(why)

    def _reason(self, timeline: int) -> str | None:
        settings = self._settings
        return reason(
            self._known, now=datetime.now(UTC), timeline=timeline,
            gap=settings.gap.exists() or self._closing.exists(), every_h=settings.base_every_h,
        )  # fmt: skip

    def _make(self, why: str) -> None:
        settings = self._settings
        log.info("making one: %s", why)
        # A gap that opens from here on is a new one; this one is open until the backup is there,
        # whatever becomes of this process meanwhile.
        with contextlib.suppress(FileNotFoundError):
            settings.gap.replace(self._closing)
        make_base_backup(
            settings.store, host=settings.host, port=settings.port, user=settings.user,
            password=settings.password, timeout_s=settings.timeout_s,
        )  # fmt: skip
        self._closing.unlink(missing_ok=True)
        self._learn()
        log.info("complete; the bucket holds %d", len(self._known))
        self._remove_old()

    def _learn(self) -> None:
        self._known = base_backups(self._settings.store)
        if self._known:
            self._end.set(self._known[-1].end_time.timestamp())

    def _remove_old(self) -> None:
        settings = self._settings
        if len(self._known) <= settings.keep_base_backups:
            return
        # In a process of its own, so that Google's library is not kept in memory for it.
        argv = [
            sys.executable, "-m", "reference_stack.database.backup_retention",
            "--store", str(settings.store_file), "--keep", str(settings.keep_base_backups),
        ]  # fmt: skip
        try:
            subprocess.run(argv, check=True, timeout=REMOVAL_TIMEOUT_S, capture_output=True)
        except subprocess.SubprocessError as error:
            raise BackupError(f"old base backups could not be removed: {error}") from error
        self._learn()


def primary_timeline(patroni_url: str, timeout_s: float = 1.0) -> int | None:
    """The timeline of the server behind this Patroni when it is the primary, else None."""
    try:
        answer = plain_http.get(f"{patroni_url}/primary", timeout=timeout_s)
        if answer.status_code != httpx.codes.OK:
            return None
        return int(answer.json()["timeline"])
    except (httpx.HTTPError, ValueError, KeyError):
        return None
