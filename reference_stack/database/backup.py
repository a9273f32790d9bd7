"""Base backups and archived WAL of one cluster in the bucket, written and read by barman-cloud.

Layout in the bucket (barman's): ``CLUSTER/base/ID/`` and ``CLUSTER/wals/``. The hospital and the
cloud archive under names of their own, since after a lost failover both can have a timeline of the
same number. The programs take anonymous access from the environment and never leave this machine.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime

from architecture.values import Strict
from reference_stack.errors import StackError

BUCKET_URL = "gs://backups"
#: The bucket's host must take a connection in this time, or it counts as away.
CONNECT_TIMEOUT_S = 1.0
LIST_TIMEOUT_S = 30.0


class BackupError(StackError):
    """A backup, or a part of one, could not be written or read."""


class BackupStore(Strict):
    """Where one cluster's backups lie, and how its programs reach them."""

    cluster: str
    host: str
    port: int
    environment: dict[str, str]


class BaseBackup(Strict):
    """A complete copy of the cluster's files; ``begin_wal`` is the first segment it needs."""

    backup_id: str
    begin_time: AwareDatetime
    end_time: AwareDatetime
    begin_wal: str
    timeline: int
    size_bytes: int

    def age_s(self, now: datetime) -> float:
        """Seconds since it was complete."""
        return (now - self.end_time).total_seconds()


def reachable(store: BackupStore, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Whether the bucket's host takes connections; costs milliseconds, unlike a barman start."""
    try:
        with socket.create_connection((store.host, store.port), timeout_s):
            return True
    except OSError:
        return False


def archive_segment(store: BackupStore, path: Path, timeout_s: float) -> None:
    """Send one WAL file to the bucket, compressed.

    Raises:
        BackupError: when the bucket did not have it whole within ``timeout_s``.
    """
    _run(store, "barman-cloud-wal-archive", ["-z", *_place(store), str(path)], timeout_s)


def base_backups(store: BackupStore) -> tuple[BaseBackup, ...]:
    """The complete base backups of the cluster, oldest first.

    Raises:
        BackupError: when the bucket does not answer.
    """
    if not reachable(store):
        raise BackupError(f"{store.cluster}: no bucket answers at {store.host}:{store.port}")
    words = ["--format", "json", *_place(store)]
    listed = _run(store, "barman-cloud-backup-list", words, LIST_TIMEOUT_S)
    found = [
        _base_backup(entry)
        for entry in json.loads(listed)["backups_list"]
        if entry["status"] == "DONE"
    ]
    return tuple(sorted(found, key=lambda backup: backup.end_time))


def make_base_backup(
    store: BackupStore, *, host: str, port: int, user: str, password: str, timeout_s: float
) -> None:
    """Copy the files of the primary at ``host`` to the bucket; must run on the primary's machine.

    Raises:
        BackupError: when it did not succeed within ``timeout_s``.
    """
    words = [
        "-z", "--immediate-checkpoint", "-J", "1", "-h", host, "-p", str(port), "-U", user,
        "-d", "postgres", *_place(store),
    ]  # fmt: skip
    # The clinicians' writes go first on the same processor.
    prefix = ("nice", "-n", "10")
    _run(
        store,
        "barman-cloud-backup",
        words,
        timeout_s,
        environment={"PGPASSWORD": password},
        prefix=prefix,
    )


def restore_files(
    store: BackupStore, backup_id: str, folder: Path, timeout_s: float, prefix: Sequence[str] = ()
) -> None:
    """Unpack a base backup into ``folder``, which must be new or empty.

    ``prefix`` begins the command: the files must become those of the user PostgreSQL will run as.

    Raises:
        BackupError: when it did not succeed within ``timeout_s``.
    """
    words = [*_place(store), backup_id, str(folder)]
    _run(store, "barman-cloud-restore", words, timeout_s, prefix=prefix)


def _place(store: BackupStore) -> tuple[str, ...]:
    return ("--cloud-provider", "google-cloud-storage", BUCKET_URL, store.cluster)


def _run(
    store: BackupStore, program: str, words: Sequence[str], timeout_s: float, *,
    environment: Mapping[str, str] | None = None, prefix: Sequence[str] = (),
) -> str:  # fmt: skip
    argv = [*prefix, str(Path(sys.executable).parent / program), *words]
    try:
        done = subprocess.run(
            argv, env={**os.environ, **store.environment, **(environment or {})},
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BackupError(f"{store.cluster}: {program} took more than {timeout_s:.0f} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise BackupError(
            f"{store.cluster}: {program} ended with {done.returncode} "
            f"(bucket {store.host}:{store.port}): {last}"
        )
    return done.stdout


def _base_backup(entry: Mapping[str, Any]) -> BaseBackup:
    return BaseBackup(
        backup_id=entry["backup_id"],
        begin_time=_time(entry["begin_time_iso"]),
        end_time=_time(entry["end_time_iso"]),
        begin_wal=entry["begin_wal"],
        timeline=entry["timeline"],
        size_bytes=entry["cluster_size"],
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
