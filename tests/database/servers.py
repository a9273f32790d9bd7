"""A bucket and an archiving PostgreSQL server of a test's own, on free ports."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_stack import binaries
from reference_stack.addresses import Endpoint
from reference_stack.bucket.client import BACKUPS, client_environment
from reference_stack.database.backup import BackupStore, reachable
from reference_stack.database.wal_archive import ArchiveSettings
from tests.api.postgres_server import PostgresServer, initialise, running
from tests.ports import free_port
from tests.waiting import wait_for

PASSWORD = "test"


def store_at(port: int, cluster: str = "hospital") -> BackupStore:
    endpoint = Endpoint("127.0.0.1", port)
    return BackupStore(
        cluster=cluster,
        host=endpoint.host,
        port=endpoint.port,
        environment=client_environment(endpoint),
    )


@contextmanager
def running_bucket(folder: Path, port: int) -> Iterator[BackupStore]:
    """The emulator with its files in ``folder``, which outlive it."""
    (folder / BACKUPS).mkdir(parents=True, exist_ok=True)
    url = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(str(binaries.require("bucket").path), "-backend", "filesystem", "-data", ""),
            *("-filesystem-root", str(folder), "-scheme", "http", "-host", "127.0.0.1"),
            *("-port", str(port), "-external-url", f"http://{url}", "-public-host", url),
            *("-log-level", "warn"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = store_at(port)
    try:
        wait_for(lambda: reachable(store), "the bucket")
        yield store
    finally:
        process.kill()
        process.wait()


@contextmanager
def archiving_primary(
    folder: Path, store: BackupStore, most_waiting: int = 1000
) -> Iterator[PostgresServer]:
    """A server that archives to ``store`` as a site of the stack does."""
    data = folder / "pg"
    initialise(data)
    settings = ArchiveSettings(
        store=store, timeout_s=20, most_waiting=most_waiting, gap=folder / "gap"
    )
    (folder / "archive.json").write_text(settings.model_dump_json())
    command = shlex.join(
        [
            *(sys.executable, "-m", "reference_stack.database.wal_archive"),
            *("--settings", str(folder / "archive.json")),
        ]
    )
    with (data / "postgresql.conf").open("a") as file:
        file.write(f"archive_mode = on\narchive_command = '{command} \"%p\"'\n")
    with running(data) as server:
        server.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'")
        server.execute("CREATE TABLE entry (number int PRIMARY KEY)")
        yield server


def archived(server: PostgresServer) -> None:
    """Switch to a new WAL file and wait until the one before is in the bucket."""
    # A file that holds nothing yet is not switched away from.
    server.execute("SELECT pg_logical_emit_message(false, 'test', 'something')")
    rows = server.execute("SELECT pg_walfile_name(pg_switch_wal())")
    file = str(rows[0][0])

    def there() -> bool:
        answer = server.execute("SELECT last_archived_wal >= %s FROM pg_stat_archiver", file)
        return answer == [(True,)]

    # Each file takes a process of its own, and after three failures the server waits a minute.
    wait_for(there, f"{file} in the archive", 240)


def pause_s(seconds: float) -> None:
    """Let the clock of commit times move on."""
    time.sleep(seconds)


__all__ = [
    "PASSWORD",
    "archived",
    "archiving_primary",
    "free_port",
    "pause_s",
    "running_bucket",
    "store_at",
]
