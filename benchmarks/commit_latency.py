"""Commit latency and throughput: PostgreSQL alone against a synchronous standby, by pgbench.

Two servers of their own stand on loopback, without Patroni: a primary, and a standby that streams
from it. The ways are rounds of the same insert by the same clients: *bare* (a third server without
a standby), then the primary with ``synchronous_commit`` at ``local`` (asynchronous replication),
``on`` (flushed by the standby) and ``remote_apply`` (shown by it). Rounds are interleaved, so that
a change of the machine's speed hits all ways; each ratio compares ways within one round.

One processor pair runs clients, primary and standby, and there is no network between them: a real
pair of machines adds its round trip (0.2 ms, see the design) and its own disk's flush.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from reference_stack import binaries
from reference_stack.site.backend import unprivileged_prefix

CLIENTS = (1, 8)
ROUNDS = 5
ROUND_S = 3
TRANSACTION = "INSERT INTO note (text) VALUES (repeat('x', 400));\n"
START_DEADLINE_S = 60.0
WAYS = ("bare", "local", "on", "remote_apply")


@dataclass(frozen=True)
class Round:
    """One pgbench run: mean latency of a transaction in milliseconds, transactions a second."""

    latency_ms: float
    rate: float


class Server:
    """A PostgreSQL server of the benchmark's own, durable as the stack's are."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self._run("initdb", "-U", "postgres", "-A", "trust", "--data-checksums", "--locale=C",
                  "-E", "UTF8")  # fmt: skip

    def copy_of(self, primary: Server) -> None:
        self._run("pg_basebackup", "-d", f"{primary.url}?application_name=standby", "-R",
                  "-X", "stream", "--checkpoint=fast")  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        settings = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "shared_buffers": "64MB",
            "unix_socket_directories": "", "wal_level": "replica", "wal_log_hints": "on",
            # No checkpoint of one round falls into another's time.
            "checkpoint_timeout": "1h", "max_wal_size": "4GB", "autovacuum": "off",
        }  # fmt: skip
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            server = subprocess.Popen(
                [*_prefix(), str(self._programs / "postgres"), "-D", str(self.folder), *options],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait()
            yield
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _wait(self) -> None:
        end = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return

    def _run(self, program: str, *words: str) -> None:
        argv = [*_prefix(), str(self._programs / program), "-D", str(self.folder), *words]
        subprocess.run(argv, check=True, capture_output=True)


def _prefix() -> tuple[str, ...]:
    return (*unprivileged_prefix(), "--") if os.geteuid() == 0 else ()


def pgbench(program: str, server: Server, script: Path, way: str, clients: int) -> Round:
    """One round: ``ROUND_S`` seconds of inserts by ``clients`` at once."""
    commit = "on" if way == "bare" else way
    environment = {**os.environ, "PGOPTIONS": f"-c synchronous_commit={commit}"}
    done = subprocess.run(
        [program, "-n", "-f", str(script), "-c", str(clients), "-T", str(ROUND_S), "-M",
         "prepared", server.url],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    latency = re.search(r"latency average = ([\d.]+) ms", done.stdout)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    assert latency is not None, done.stdout
    assert rate is not None, done.stdout
    return Round(float(latency[1]), float(rate[1]))


def main() -> None:
    """Run the rounds and print medians, ranges and ratios; say so when pgbench is missing."""
    postgres = binaries.require("postgres")
    programs = postgres.path.resolve().parent
    program = shutil.which("pgbench", path=str(programs)) or shutil.which("pgbench")
    if program is None:
        print(
            f"commit latency: not measured, as PostgreSQL {postgres.version} from the "
            f"{postgres.source} has no pgbench (Debian's postgresql-15 has it)"
        )
        return
    with tempfile.TemporaryDirectory(prefix="prontuario-bench-") as name:
        folder = Path(name)
        script = folder / "insert.sql"
        script.write_text(TRANSACTION, encoding="utf-8")
        bare, primary, standby = (
            Server(programs, folder / part) for part in ("bare", "primary", "standby")
        )
        bare.create()
        primary.create()
        with bare.running(), primary.running():
            standby.copy_of(primary)
            with standby.running():
                for server in (bare, primary):
                    server.execute("CREATE TABLE note (id bigserial PRIMARY KEY, text text)")
                primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                primary.execute("SELECT pg_reload_conf()")
                for clients in CLIENTS:
                    _compare(program, bare, primary, script, clients)


def _compare(program: str, bare: Server, primary: Server, script: Path, clients: int) -> None:
    rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
    for number in range(ROUNDS + 1):
        for way in WAYS:
            server = bare if way == "bare" else primary
            measured = pgbench(program, server, script, way, clients)
            if number > 0:  # the first round warms up
                rounds[way].append(measured)
    print(
        f"commits of a 400-byte note, {clients} client{'s' if clients > 1 else ''}, "
        f"{ROUNDS} interleaved rounds of {ROUND_S} s: median (least to most)"
    )
    for way, done in rounds.items():
        latency = [one.latency_ms for one in done]
        rate = [one.rate for one in done]
        ratio = [
            one.latency_ms / base.latency_ms for one, base in zip(done, rounds["bare"], strict=True)
        ]
        print(
            f"  {way:<13} latency {_spread(latency, '.2f')} ms   "
            f"{_spread(rate, ',.0f')} commits/s   latency against bare {_spread(ratio, '.2f')}"
        )


def _spread(values: list[float], form: str) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"
