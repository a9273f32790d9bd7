"""A real PostgreSQL server in a temporary folder, to be stopped, killed and frozen by tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from reference_stack.site.backend import unprivileged_prefix
from tests.ports import free_port

START_DEADLINE_S = 120.0  # a busy machine's initdb and first start
SETTINGS = {
    "fsync": "off",  # the tests kill processes, never the machine
    "shared_buffers": "16MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "wal_level": "replica",
}


def program(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not candidates:
        raise FileNotFoundError(f"{name}: not on PATH nor in /usr/lib/postgresql/*/bin")
    return str(candidates[0])


def as_nobody_special() -> list[str]:
    """PostgreSQL refuses root; a user namespace in which root is somebody else suffices."""
    if os.getuid() != 0:
        return []
    return [*unprivileged_prefix(), "--"]


def initialise(folder: Path) -> None:
    subprocess.run(
        [
            *as_nobody_special(),
            *(program("initdb"), "-D", str(folder), "-U", "postgres", "-A", "trust"),
            *("--no-sync", "--encoding=UTF8", "--locale=C"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


class PostgresServer:
    """One server; `process` is the postmaster while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until connections are served."""
        assert self.process is None
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *as_nobody_special(),
                    *(program("postgres"), "-D", str(self.folder), "-p", str(self.port)),
                    *("-k", str(self.folder), *options),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Fast shutdown: sessions are told and ended."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it for sure, frozen or not."""
        if self.process is not None:
            self.thaw()
            self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        assert self.process is not None
        family = self._family()
        self.process.send_signal(how)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait(15)
        self.process = None

    def _family(self) -> list[psutil.Process]:
        """Postmaster and backends; a backend may end at any moment after it was listed."""
        assert self.process is not None
        postmaster = psutil.Process(self.process.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def freeze(self) -> None:
        """SIGSTOP to every process: the kernel still accepts and acknowledges, nobody answers."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def execute(
        self, sql: str, *parameters: object, database: str = "postgres"
    ) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def configure(self, setting: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def make_commits_wait(self) -> None:
        """From its return on commits wait for a standby that does not exist.

        The server's processes read a new setting one after another, so commits are tried until
        one waits; it is then cancelled.
        """
        self.configure("synchronous_standby_names", "nobody")
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE %s"
        commit = "SELECT pg_logical_emit_message(true, 'tried', '')"
        deadline = time.monotonic() + START_DEADLINE_S
        with ThreadPoolExecutor(1) as threads:
            tried = threads.submit(self.execute, commit)
            while not (found := self.execute(waiting, f"{commit}%")):
                assert time.monotonic() < deadline, "no commit waits"
                if tried.done():
                    tried = threads.submit(self.execute, commit)
            self.execute("SELECT pg_cancel_backend(%s)", found[0][0])


@contextmanager
def running(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def running_standby(primary: PostgresServer, folder: Path) -> Iterator[PostgresServer]:
    """A hot standby that streams from `primary`."""
    subprocess.run(
        [
            *as_nobody_special(),
            *(program("pg_basebackup"), "-d", primary.url(), "-D", str(folder)),
            *("-R", "-X", "stream", "--checkpoint=fast", "--no-sync"),
        ],
        check=True,
    )
    with running(folder) as server:
        yield server
