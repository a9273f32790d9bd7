"""Point-in-time restore: a base backup and the WAL after it become a server of their own.

The restored server archives nothing and follows nobody, so that it can run beside the stack it came
from. Its users and passwords are those of the stack.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from reference_stack.addresses import Endpoint
from reference_stack.database.backup import (
    BackupError,
    BackupStore,
    BaseBackup,
    base_backups,
    restore_files,
)
from reference_stack.database.wal_fetch import fetch_wal, restore_command
from reference_stack.site.backend import unprivileged_prefix

FILES_TIMEOUT_S = 3600.0
_POLL_S = 0.5
_STOP_S = 20.0


@dataclass(frozen=True)
class Restored:
    """A restored server that accepts reads and writes.

    ``last_commit`` is the time of the last transaction it has, None when the base backup alone
    holds everything.
    """

    endpoint: Endpoint
    folder: Path
    cluster: str
    base_backup: BaseBackup
    last_commit: datetime | None
    took_s: float
    _process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Return when the server has ended."""
        self._process.wait()


def choose(
    found: Sequence[tuple[BackupStore, BaseBackup]], target: datetime | None
) -> tuple[BackupStore, BaseBackup]:
    """The newest base backup that was complete at ``target`` (None: the newest of all).

    Raises:
        BackupError: when there is none, naming the earliest moment that can be had.
    """
    ordered = sorted(found, key=lambda pair: pair[1].end_time)
    if not ordered:
        raise BackupError("the bucket holds no complete base backup")
    fit = [pair for pair in ordered if target is None or pair[1].end_time <= target]
    if not fit:
        earliest = ordered[0][1].end_time
        raise BackupError(f"no base backup was complete then; the first was at {earliest}")
    return fit[-1]


@contextlib.contextmanager
def restored(
    stores: Sequence[BackupStore], *, to: datetime | None, into: Path, endpoint: Endpoint,
    binaries: Path, user: str, password: str, deadline_s: float = 600.0,
) -> Iterator[Restored]:  # fmt: skip
    """A server with the data as they were at ``to``; it runs as long as the block.

    Args:
        stores: The clusters whose backups may be used.
        to: The moment, with a time zone: every transaction committed until then is in, none after.
            None: as far as the archive reaches.
        into: Folder for its files, new or empty; they stay when the block ends.
        endpoint: Where it listens.
        binaries: PostgreSQL's programs, of the backup's major version.
        user: Superuser of the cluster the backups are of.
        password: His password there.
        deadline_s: For replaying WAL.

    Raises:
        BackupError: when there is no fit base backup, the bucket does not answer, or the archive
            ends before ``to``.
    """
    began = time.monotonic()
    if into.exists() and any(into.iterdir()):
        raise BackupError(f"{into}: is not empty")
    found = [(store, backup) for store in stores for backup in base_backups(store)]
    store, backup = choose(found, to)
    data = into / "data"
    data.mkdir(mode=0o700, parents=True)
    # PostgreSQL refuses root, and wants the files to be its own.
    prefix = (*unprivileged_prefix(), "--") if os.geteuid() == 0 else ()
    restore_files(store, backup.backup_id, data, FILES_TIMEOUT_S, prefix)
    fetch_wal(store, backup.begin_wal, into / "wal")
    _configure(to, into, data, endpoint)
    log = into / "server.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [*prefix, str(binaries / "postgres"), "-D", str(data)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"postgresql://{user}:{password}@{endpoint}/postgres?connect_timeout=2"
        last_commit = _wait_until_recovered(url, server, log, deadline_s)
        took_s = time.monotonic() - began
        yield Restored(endpoint, into, store.cluster, backup, last_commit, took_s, server)
    finally:
        _stop(server)


def _configure(to: datetime | None, into: Path, data: Path, endpoint: Endpoint) -> None:
    parameters = {
        "listen_addresses": endpoint.host,
        "port": str(endpoint.port),
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        # Without it, limits such as max_connections need not match the primary's.
        "hot_standby": "off",
        "restore_command": restore_command(into / "wal"),
        "recovery_target_action": "promote",
    }
    if to is not None:
        parameters["recovery_target_time"] = to.isoformat(timespec="microseconds")
    lines = [
        f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in parameters.items()
    ]
    # What the primary was told (synchronous standbys, archiving, its address) must not hold here.
    (data / "postgresql.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (data / "postgresql.auto.conf").write_text("", encoding="utf-8")
    hba = f"host all all {endpoint.host}/32 scram-sha-256\n"
    (data / "pg_hba.conf").write_text(hba, encoding="utf-8")
    (data / "standby.signal").unlink(missing_ok=True)
    (data / "recovery.signal").touch()


def _wait_until_recovered(
    url: str, server: subprocess.Popen[bytes], log: Path, deadline_s: float
) -> datetime | None:
    end = time.monotonic() + deadline_s
    while True:
        # It takes no connection before recovery has ended.
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()"
            ).fetchone()
            if row is not None and not row[0]:
                last: datetime | None = row[1]
                return last
        if server.poll() is not None:
            raise BackupError(f"the restore failed: {_complaint(log)} (see {log})")
        if time.monotonic() > end:
            raise BackupError(f"the restore took more than {deadline_s:.0f} s (see {log})")
        time.sleep(_POLL_S)


def _complaint(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    if any("before configured recovery target" in line for line in fatal):
        return "the archive ends before the moment asked for, or nothing was committed after it"
    return fatal[-1] if fatal else "the server ended at once"


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
