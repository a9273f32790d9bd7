"""A planned move of the primary from one node to the other, with as short a pause as there can be.

Order: both servers write out what is dirty, so that the shutdown is short; the balancers send no
new connection to the old primary; Patroni moves the lead; the balancers are told of the new primary
at once instead of finding it at their next check.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from architecture.values import Strict
from reference_stack.edge.admin import balancer_admin
from reference_stack.edge.haproxy import DATABASE
from reference_stack.errors import StackError
from reference_stack.fallback.operator import Progress
from reference_stack.handle import StackHandle
from reference_stack.rendering import DATABASE_NAME, database_url

SWITCHOVER_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.02
PROBE_EVERY_S = 0.02
SETTLE_S = 2.0
#: A transaction that takes a number needs a primary, writes a commit record and waits for the
#: synchronous standby, but stores nothing.
WRITE = "SELECT pg_current_xact_id()"


class Switchover(Strict):
    """What a planned move did."""

    from_site: str
    to_site: str
    write_outage_s: float
    move_s: float


@dataclass
class _WriteProbe:
    """Writes through the edge all the time, and knows its longest pause."""

    url: str
    committed: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = psycopg.connect(self.url, autocommit=True)
                connection.execute(WRITE)
                self.committed.append(time.monotonic())
            except psycopg.Error:
                if connection is not None:
                    with contextlib.suppress(psycopg.Error):
                        connection.close()
                connection = None
            self._stop.wait(PROBE_EVERY_S)
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        self._stop.set()

    def longest_pause_s(self) -> float:
        times = self.committed
        return max((b - a for a, b in itertools.pairwise(times)), default=float("inf"))


def switch_over(handle: StackHandle, to_site: str | None, progress: Progress) -> Switchover:
    """Move the primary to ``to_site`` (None: to the synchronous standby) and measure the pause.

    Raises:
        StackError: when there is no primary, no fit standby, or Patroni refuses; nothing is
            drained any more then.
    """
    old, new = _parties(handle, to_site)
    admin = balancer_admin(handle.design, handle.addresses)
    progress(f"checkpoints on {old} and {new}")
    for site in (new, old, old):
        with psycopg.connect(handle.database_dsn(site), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
    with _probing(handle) as probe:
        time.sleep(SETTLE_S / 4)
        start = time.monotonic()
        admin.drain(DATABASE, old)
        try:
            progress(f"the primary moves from {old} to {new}")
            _move(handle, old, new)
            admin.force_up(DATABASE, new)
        finally:
            admin.ready(DATABASE, old)
        moved = time.monotonic() - start
        _await_write(probe)
        time.sleep(SETTLE_S)
    return Switchover(
        from_site=old, to_site=new, write_outage_s=probe.longest_pause_s(), move_s=moved
    )


def _parties(handle: StackHandle, to_site: str | None) -> tuple[str, str]:
    old = handle.primary()
    if old is None:
        raise StackError("no node holds the primary database: there is nothing to move")
    members = handle.patroni(old).members()
    fit = [
        site
        for site in handle.hospital_sites
        if site != old
        and members.get(site, {}).get("state") == "streaming"
        and members[site].get("role") in {"sync_standby", "quorum_standby", "replica"}
    ]
    if handle.design.database.replication.startswith("synchronous"):
        fit = [site for site in fit if members[site].get("role") != "replica"]
    new = to_site if to_site is not None else next(iter(fit), None)
    if new == old:
        raise StackError(f"{old} holds the primary database already")
    if new is None or new not in fit:
        raise StackError(
            f"{new or 'no other node'} can't take the primary now "
            f"(fit: {', '.join(fit) or 'none'}); see `testbed stack status`"
        )
    return old, new


def _move(handle: StackHandle, old: str, new: str) -> None:
    """Ask Patroni, and return when the new primary is one; Patroni's own answer comes later."""
    url = f"{handle.endpoint(old, 'patroni').url}/switchover"
    body = {"leader": old, "candidate": new}
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(httpx.post, url, json=body, timeout=SWITCHOVER_TIMEOUT_S)
    pool.shutdown(wait=False)
    patroni = handle.patroni(new)
    end = time.monotonic() + SWITCHOVER_TIMEOUT_S
    while not patroni.is_primary():
        refused = asked.done() and (asked.exception() or asked.result().is_error)
        if refused or time.monotonic() > end:
            words = asked.result().text if asked.done() and not asked.exception() else ""
            raise StackError(f"Patroni did not move the primary: {words or 'no answer'}")
        time.sleep(LOOK_EVERY_S)


def _await_write(probe: _WriteProbe) -> None:
    start, end = time.monotonic(), time.monotonic() + SWITCHOVER_TIMEOUT_S
    while not probe.committed or probe.committed[-1] < start:
        if time.monotonic() > end:
            raise StackError("the primary has moved, but nothing can be written through the edge")
        time.sleep(LOOK_EVERY_S)


@contextlib.contextmanager
def _probing(handle: StackHandle) -> Iterator[_WriteProbe]:
    balancers = handle.design.sites_with("balancer")
    edges = [handle.endpoint(site, "balancer-database") for site in balancers]
    url = database_url(edges, "postgres", handle.secret("superuser"), DATABASE_NAME)
    probe = _WriteProbe(f"{url}{'&' if '?' in url else '?'}connect_timeout=2")
    thread = threading.Thread(target=probe.run, daemon=True)
    thread.start()
    try:
        yield probe
    finally:
        probe.stop()
        thread.join(10)
