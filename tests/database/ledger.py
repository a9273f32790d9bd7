"""A writer that remembers which rows were acknowledged to it, and stacks to try it on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

from architecture import load_design
from reference_stack.bringup import running
from reference_stack.handle import StackHandle
from tests.waiting import wait_for

#: Sites with etcd and PostgreSQL alone, which come up in half the time; no detector of failures,
#: as the lease is what these tests are about.
DATA_ALONE = (
    "sites.mac-1.services=[etcd, database]",
    "sites.mac-2.services=[etcd, database]",
    "companions=null",
    "sites.edge-2=null",
    "failures=null",
    "cache=null",
    "documents=null",
    "emergency=null",
    "fallback=null",
    "database.failure_detector=null",
    "workload.users=2",
)
WITHOUT_CLOUD = ("sites.gcp=null", "database.cloud_standby=null", "database.backup=null")


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@contextmanager
def stack_of(design: str, overrides: Sequence[str], directory: Path) -> Iterator[StackHandle]:
    """A stack of the design's database alone, with an empty table ``entry``."""
    whole = load_design(design, [*DATA_ALONE, *overrides])
    with running(whole, directory, instance=None, seed=1, progress=tell) as handle:
        with psycopg.connect(handle.database_dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE entry (number int PRIMARY KEY)")
            connection.execute("GRANT ALL ON entry TO PUBLIC")
        yield handle


class LedgerWriter:
    """Writes ``first``, ``first`` + 1 … at ``dsn``, one transaction each, until it is stopped.

    ``acknowledged`` holds the numbers whose commit was answered. A number is never written again,
    so one without an answer is in doubt for good.
    """

    def __init__(self, dsn: str, first: int = 0) -> None:
        self._next = first
        self._dsn = f"{dsn}&tcp_user_timeout=3000"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: len(self.acknowledged) > 0, "the first acknowledged write", 120)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    while not self._stop.is_set():
                        number, self._next = self._next, self._next + 1
                        connection.execute("INSERT INTO entry VALUES (%s)", (number,))
                        self.acknowledged.append(number)
            except psycopg.Error:
                time.sleep(0.1)

    def wait_for_more(self, count: int, deadline_s: float) -> None:
        """Wait until ``count`` more writes are acknowledged."""
        goal = len(self.acknowledged) + count
        wait_for(lambda: len(self.acknowledged) >= goal, f"{count} more writes", deadline_s)


def rows_at(dsn: str) -> set[int]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT number FROM entry")}


def is_writable(dsn: str) -> bool:
    """Whether a server takes a write; False also when it can't be reached."""
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            # A refusal comes before the commit, so it needs no standby.
            connection.execute("SET synchronous_commit = local")
            connection.execute("CREATE TEMPORARY TABLE probe (a int)")
    except psycopg.Error:
        return False
    return True


def wait_until_whole(handle: StackHandle, deadline_s: float) -> None:
    wait_for(lambda: not handle.whole(), "the whole stack", deadline_s)
