"""A synchronous standby that falls silent, with a real server and a real receiver of its WAL."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from reference_stack.database.silent_standby import (
    AWAY_S,
    MissingStandby,
    Reports,
    end_silent,
    look_now,
    waited_for_in_vain,
)
from tests.api.postgres_server import PostgresServer, initialise, program, running
from tests.waiting import wait_for

SYNCHRONOUS = """
SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    initialise(tmp_path / "primary")
    with running(tmp_path / "primary") as server:
        yield server


@contextmanager
def receiver(server: PostgresServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Stands in for the standby: it reports each second, and what it has on disk at once."""
    folder.mkdir()
    url = f"{server.url()}?application_name=mac-2"
    command = [program("pg_receivewal"), "-D", folder, "-d", url, "--synchronous", "-s", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def synchronous(connection: psycopg.Connection) -> bool:
    return connection.execute(SYNCHRONOUS).fetchone() is not None


@pytest.mark.servers
def test_a_silent_standbys_connection_is_ended_and_a_talking_ones_is_not(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.execute("ALTER SYSTEM SET synchronous_standby_names = '\"mac-2\"'")
    server.execute("SELECT pg_reload_conf()")
    with (
        psycopg.connect(server.url(), autocommit=True) as connection,
        receiver(server, tmp_path / "wal") as standby,
    ):
        wait_for(lambda: synchronous(connection), "the synchronous standby")
        reports = Reports()

        def ended(silence_s: float) -> int:
            return end_silent(connection, reports, time.monotonic(), silence_s)

        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert ended(silence_s=60) == 0
            assert not waited_for_in_vain(connection)
            time.sleep(0.2)
        standby.send_signal(signal.SIGSTOP)
        wait_for(lambda: ended(silence_s=3) == 1, "the end of its patience")
        wait_for(lambda: waited_for_in_vain(connection), "commits that wait for nobody")


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_standby_whose_clock_is_wrong_is_not_taken_for_silent(skew: timedelta) -> None:
    reports, began = Reports(), datetime(2026, 3, 1, tzinfo=UTC)
    for second in range(60):
        sent = began + timedelta(seconds=second) + skew
        assert reports.silent({7: str(sent)}, now_s=second) == []


def test_silence_counts_from_the_last_report_and_not_while_nobody_listened() -> None:
    reports = Reports()
    assert reports.silent({7: "a"}, now_s=0) == []
    assert reports.silent({7: "b"}, now_s=1) == []
    # This process stood still: reports of that time have not been read yet.
    assert reports.silent({7: "b"}, now_s=100) == []
    assert reports.silent({7: "c"}, now_s=101) == []
    silent = [s for s in range(102, 110) if reports.silent({7: "c"}, now_s=s)]
    assert silent[0] == 106, "five reports are left out, and the look after them tells"
    # Another connection of the same standby begins anew.
    assert reports.silent({8: None}, now_s=110) == []


@pytest.mark.servers
def test_commits_wait_in_vain_only_for_a_standby_that_is_named(server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for names, in_vain in (("", False), ("*", False), ('"mac-2"', True)):
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            connection.execute("SELECT pg_reload_conf()")
            wait_for(lambda wanted=in_vain: waited_for_in_vain(connection) is wanted, repr(names))  # type: ignore[misc]


def test_patroni_is_asked_at_once_after_an_end_and_otherwise_after_a_while() -> None:
    missing = MissingStandby()
    assert not missing.due(missing=True, now_s=100)
    assert not missing.due(missing=True, now_s=100 + AWAY_S - 0.01)
    assert missing.due(missing=True, now_s=100 + AWAY_S)
    assert not missing.due(missing=False, now_s=110)
    assert not missing.due(missing=True, now_s=111)
    missing.ended()
    assert missing.due(missing=True, now_s=111)
    assert not missing.due(missing=False, now_s=112)
    assert not missing.due(missing=True, now_s=113)


def test_patroni_is_told_its_own_loop_wait() -> None:
    asked: list[tuple[str, bytes]] = []

    class Patroni(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append((self.path, self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Patroni) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_port}"
        assert look_now(url, 10)
        http.shutdown()
    assert asked == [("/config", b'{"loop_wait":10}')]
    assert not look_now(url, 10)
