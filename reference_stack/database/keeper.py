"""The process beside each PostgreSQL server that watches over what Patroni does not.

While its server is the primary it measures replication lag, ends commits that wait for a standby
longer than any client does, sees to it that a dead standby is not waited for longer than need be
(:mod:`reference_stack.database.silent_standby`), and makes base backups. ``/metrics`` says what it
sees:

- ``postgresql_replication_lag_seconds{standby,stage}`` (``flush`` or ``replay``, defined in
  :mod:`reference_stack.database.lag`), absent for a standby that does not stream;
- ``postgresql_streaming_standbys``, on a primary;
- ``postgresql_abandoned_commits_terminated_total``;
- ``postgresql_silent_standbys_ended_total``;
- ``postgresql_base_backup_end_timestamp_seconds``, ``postgresql_base_backup_failures_total``.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from pathlib import Path

import psycopg
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    start_http_server,
)

from architecture.values import Strict
from reference_stack.database.backup_schedule import BackupSettings, Schedule
from reference_stack.database.lag import standby_lags
from reference_stack.database.silent_standby import (
    MissingStandby,
    Reports,
    end_silent,
    look_now,
    waited_for_in_vain,
)
from reference_stack.database.waiters import terminate_abandoned

log = logging.getLogger("keeper")

EVERY_S = 1.0


class KeeperSettings(Strict):
    """``database-keeper.json`` of a database site."""

    host: str
    port: int
    database_url: str
    patroni_url: str
    loop_wait_s: float
    longest_wait_s: float
    backup: BackupSettings | None


class Keeper:
    """One look a second at one server, on a connection that is kept."""

    def __init__(self, settings: KeeperSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._connection: psycopg.Connection | None = None
        self._missing = MissingStandby()
        self._reports = Reports()
        self._lag = Gauge(
            "postgresql_replication_lag_seconds", "How late a standby is, by stage",
            ["standby", "stage"], registry=registry,
        )  # fmt: skip
        self._standbys = Gauge(
            "postgresql_streaming_standbys", "Standbys that stream from this primary",
            ["role"], registry=registry,
        )  # fmt: skip
        self._terminated = Counter(
            "postgresql_abandoned_commits_terminated",
            "Commits ended because they waited longer for a standby than any client does",
            registry=registry,
        )
        self._silent = Counter(
            "postgresql_silent_standbys_ended",
            "Connections of synchronous standbys ended because nothing was heard from them",
            registry=registry,
        )

    def look(self) -> None:
        """Measure and mend once; a server that is away is tried again the next time."""
        try:
            connection = self._connected()
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if row is not None and row[0]:
                self._forget()
                return
            self._measure(connection)
            self._let_go_of_the_dead(connection)
            ended = terminate_abandoned(connection, self._settings.longest_wait_s)
        except psycopg.Error:
            self._forget()
            self.close()
            return
        if ended:
            self._terminated.inc(ended)
            log.warning("terminated %d commits that waited for a standby", ended)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._settings.database_url, autocommit=True, connect_timeout=2,
                application_name="database-keeper",
            )  # fmt: skip
        return self._connection

    def _measure(self, connection: psycopg.Connection) -> None:
        lags = standby_lags(connection)
        self._forget()
        for lag in lags:
            self._lag.labels(lag.name, "flush").set(lag.flush_s)
            self._lag.labels(lag.name, "replay").set(lag.replay_s)
        synchronous = sum(lag.sync_state in {"sync", "quorum"} for lag in lags)
        self._standbys.labels("synchronous").set(synchronous)
        self._standbys.labels("asynchronous").set(len(lags) - synchronous)

    def _let_go_of_the_dead(self, connection: psycopg.Connection) -> None:
        if ended := end_silent(connection, self._reports, time.monotonic()):
            self._silent.inc(ended)
            self._missing.ended()
            log.warning("nothing was heard from the synchronous standby: its connection is ended")
        missing = waited_for_in_vain(connection)
        if self._missing.due(missing=missing, now_s=time.monotonic()):
            heard = look_now(self._settings.patroni_url, self._settings.loop_wait_s)
            log.warning("commits wait for a standby that is away; Patroni %s",
                        "looks" if heard else "does not answer")  # fmt: skip

    def _forget(self) -> None:
        self._lag.clear()
        self._standbys.clear()


def main() -> None:
    """Entry point: ``python -m reference_stack.database.keeper --settings FILE``."""
    parser = argparse.ArgumentParser(prog="reference_stack.database.keeper")
    parser.add_argument("--settings", type=Path, required=True)
    path: Path = parser.parse_args().settings
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = KeeperSettings.model_validate_json(path.read_text(encoding="utf-8"))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    start_http_server(settings.port, settings.host, registry)
    if settings.backup is not None:
        schedule = Schedule(settings.backup, registry)
        threading.Thread(target=schedule.run, args=(stop,), daemon=True).start()
    keeper = Keeper(settings, registry)
    while not stop.wait(EVERY_S):
        keeper.look()
    keeper.close()


if __name__ == "__main__":
    main()
