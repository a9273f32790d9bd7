"""Events that a dead process left without a seal are sealed by another, at a bounded price."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from reference_stack.api.audit_event import INSERT, AuditEvent
from reference_stack.api.audit_spool import Spool
from reference_stack.api.audit_trail import AuditTrail
from reference_stack.api.audit_verify import TrailReport, verify_trail
from reference_stack.api.database import Database
from reference_stack.api.metrics import Metrics
from reference_stack.api.tokens import utc_now
from reference_stack.cache.client import CacheClient
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import wait_until
from tests.clinical.ward import KEY

pytestmark = pytest.mark.servers

EVENT = AuditEvent(
    id=uuid.uuid4(), recorded_at=datetime.now(UTC), site="mac-1", actor_id=None, actor_role=None,
    patients=(), purpose="look-up", route="GET /", outcome="allowed", status=200, request_id="",
)  # fmt: skip


def left_bare(server: PostgresServer, ago: timedelta) -> uuid.UUID:
    event = replace(EVENT, id=uuid.uuid4(), recorded_at=datetime.now(UTC) - ago)
    with psycopg.connect(server.url("hospital"), autocommit=True) as connection:
        connection.execute(INSERT.encode(), event.row(KEY))
    return event.id


def sealed(server: PostgresServer, event: uuid.UUID) -> bool:
    sql = "SELECT 1 FROM audit_seal WHERE %s = ANY (members)"
    return bool(server.execute(sql, event, database="hospital"))


def verified(server: PostgresServer) -> TrailReport:
    with psycopg.connect(server.url("hospital"), autocommit=True) as connection:
        return verify_trail(connection, KEY)


def trail_on(server: PostgresServer, spool: Spool | None = None) -> tuple[Database, AuditTrail]:
    database = Database(
        server.url("hospital"), site="mac-1", pool_size=4, request_timeout_s=30,
        accept_standby=False,
    )  # fmt: skip
    metrics = Metrics([], CacheClient(None))
    return database, AuditTrail(database, key=KEY, spool=spool, metrics=metrics, now=utc_now)


def test_a_search_looks_only_at_what_can_have_come_since_the_last(server: PostgresServer) -> None:
    """A node that is alone for months must not read the whole trail every minute."""
    database, trail = trail_on(server)

    async def search() -> None:
        await trail._sweep()

    async def run() -> None:
        await database.open()
        try:
            long_ago = left_bare(server, timedelta(days=30))
            await search()
            assert sealed(server, long_ago)
            stale = left_bare(server, timedelta(days=30))
            fresh = left_bare(server, timedelta(minutes=1))
            await search()
            assert sealed(server, fresh)
            assert not sealed(server, stale)
        finally:
            await database.close()

    asyncio.run(run())
    assert verified(server).is_intact


def test_what_waited_on_the_disk_is_stored_once_and_sealed(
    server: PostgresServer, tmp_path: Path
) -> None:
    """More than a transaction holds, in the files of two processes."""
    folder = tmp_path / "audit"
    folder.mkdir()
    events = [replace(EVENT, id=uuid.uuid4()) for _ in range(1100)]
    for part in (events[:900], events[900:]):
        (folder / f"{uuid.uuid4()}.jsonl").write_bytes(
            b"".join(event.canonical() + b"\n" for event in part)
        )
    database, trail = trail_on(server, Spool(folder))

    async def run() -> None:
        await database.open()
        await trail.start()
        try:
            await asyncio.to_thread(wait_until, lambda: not list(folder.iterdir()))
        finally:
            await trail.close()
            await database.close()

    asyncio.run(run())
    report = verified(server)
    assert (report.events, report.unsealed, report.findings) == (1100, 0, ())
