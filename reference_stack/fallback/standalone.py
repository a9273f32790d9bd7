"""A node's data directory opened for reading only, on a private socket, while Patroni is held back.

The server starts as a standby of nobody: it replays what WAL the directory holds, then answers
queries. It writes no WAL of its own and stays on its timeline, so pg_rewind finds afterwards what
it would have found before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from reference_stack.errors import StackError
from reference_stack.fallback.control_data import control_data

MARK = "salvage.pid"
START_DEADLINE_S = 120.0
# Settings a standby must not have lower than its primary had, by their names in pg_controldata.
_CAPACITIES = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
_ALONE = {
    "listen_addresses": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "restore_command": "",
    "archive_mode": "off",
    "hot_standby": "on",
    "synchronous_standby_names": "",
    "shared_preload_libraries": "",
    "recovery_target_timeline": "current",
    "logging_collector": "off",
    "port": "5432",
}


def has_database(data_directory: Path) -> bool:
    """Whether a database has been made there."""
    return (data_directory / "PG_VERSION").is_file()


def running_server(data_directory: Path) -> psutil.Process | None:
    """The PostgreSQL that runs on a directory; after a restart its pid file proves nothing."""
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        pid = int((data_directory / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        if "postgres" in process.name() and Path(process.cwd()) == data_directory.resolve():
            return process
    return None


def end_server(data_directory: Path) -> bool:
    """End a running PostgreSQL at once (it recovers at its next start); True when there was one."""
    process = running_server(data_directory)
    if process is None:
        return False
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
    return True


def end_leftover(folder: Path, data_directory: Path) -> None:
    """End the server of an earlier salvage whose gate was killed."""
    mark = folder / MARK
    if mark.exists():
        end_server(data_directory)
        mark.unlink()


@contextlib.contextmanager
def opened(folder: Path, data_directory: Path, programs: Path, log: Path) -> Iterator[str]:
    """A libpq connection string of the superuser to the directory's databases, without ``dbname``.

    Args:
        folder: The site's folder, where a mark tells that such a server may run.
        data_directory: Of a cluster that has no server.
        programs: Folder of PostgreSQL's programs.
        log: Where the server's words go.

    Raises:
        StackError: when the directory can't be opened.
    """
    place = Path(tempfile.mkdtemp(prefix="salvage-"))
    access = place / "pg_hba.conf"
    access.write_text("local all all trust\n")
    (data_directory / "standby.signal").touch()
    settings = {
        **_ALONE, **_capacities(data_directory, programs), "hba_file": str(access),
        "unix_socket_directories": str(place),
    }  # fmt: skip
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    (folder / MARK).touch()
    with log.open("ab") as output:
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data_directory), *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        _await_answer(server, programs, place, log)
        yield f"host={place} port=5432 user=postgres"
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.kill(server.pid, signal.SIGQUIT)
                server.wait()
        (folder / MARK).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)


def _await_answer(server: subprocess.Popen[bytes], programs: Path, place: Path, log: Path) -> None:
    end = time.monotonic() + START_DEADLINE_S
    asking = [str(programs / "pg_isready"), "--quiet", "-h", str(place), "-p", "5432"]
    while subprocess.run(asking, check=False, timeout=10).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise StackError(f"the data directory cannot be opened: {' / '.join(last)}")
        time.sleep(0.1)


def _capacities(data_directory: Path, programs: Path) -> dict[str, str]:
    known = control_data(data_directory, programs)
    return {name: known[label] for name, label in _CAPACITIES.items() if label in known}
