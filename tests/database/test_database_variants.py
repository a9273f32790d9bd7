"""What each documented variant of the database does when a node goes, and what the design does."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import psycopg
import pytest

from reference_stack.handle import StackHandle
from reference_stack.rendering import DATABASE_USER
from tests.database.ledger import (
    WITHOUT_CLOUD,
    LedgerWriter,
    is_writable,
    rows_at,
    stack_of,
    wait_until_whole,
)
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

#: Patroni looks every 2 s: what it does about a lost standby, it does within some seconds.
QUICK = (*WITHOUT_CLOUD, "database.lease.loop_wait_s=2")
PATIENCE_S = 10.0


def test_with_two_etcd_members_losing_the_standby_makes_the_primary_read_only(
    tmp_path: Path,
) -> None:
    with stack_of("two-member-etcd", QUICK, tmp_path) as stack:
        assert stack.primary() == "mac-1"
        survivor = stack.database_dsn("mac-1")
        assert is_writable(survivor)
        stack.kill("mac-2")
        wait_for(lambda: not is_writable(survivor), "the survivor to refuse writes", 180)
        time.sleep(PATIENCE_S)
        assert not is_writable(survivor)
        assert stack.primary() is None
        wait_for(lambda: rows_at(survivor) == set(), "the survivor's answer to a look-up")


def test_strictly_synchronous_losing_the_standby_stops_writes_and_not_look_ups(
    tmp_path: Path,
) -> None:
    overrides = (*QUICK, "api.request_timeout_s=2")
    with stack_of("synchronous-strict", overrides, tmp_path) as stack:
        with LedgerWriter(stack.database_dsn()) as writer:
            stack.kill("mac-2")
            time.sleep(2)
            before = len(writer.acknowledged)
            _abandoned_commits_leave_their_connections(stack)
            time.sleep(PATIENCE_S)
            assert len(writer.acknowledged) == before
            assert rows_at(stack.database_dsn()) >= set(writer.acknowledged)
            stack.start("mac-2")
            writer.wait_for_more(10, 180)
        wait_until_whole(stack, 180)
        assert rows_at(stack.database_dsn()) >= set(writer.acknowledged)


def _abandoned_commits_leave_their_connections(stack: StackHandle) -> None:
    """More commits than there are connections are left waiting, a tenth at a time."""
    limit = stack.design.database.max_connections
    url = stack.database_dsn().replace(
        f"postgres:{stack.secret('superuser')}", f"{DATABASE_USER}:{stack.secret('application')}"
    )
    for group in range(12):
        for member in range(limit // 10):
            number = 1_000_000 + group * limit + member
            connection = psycopg.connect(url, autocommit=True)
            connection.pgconn.send_query_params(
                b"INSERT INTO entry VALUES ($1)", [str(number).encode()]
            )
            connection.close()  # without waiting for the answer
        # Room for the next, and a little for others.
        enough = (group - 3) * (limit // 10)
        wait_for(lambda enough=enough: _terminated(stack) >= enough, f"{enough} terminated")  # type: ignore[misc]
    terminated = 12 * (limit // 10)
    wait_for(lambda: _terminated(stack) == terminated, f"{terminated} terminated commits")


def _terminated(stack: StackHandle) -> int:
    metrics = httpx.get(f"{stack.endpoint('mac-1', 'database-keeper').url}/metrics").text
    name = "postgresql_abandoned_commits_terminated_total "
    found = [line for line in metrics.splitlines() if line.startswith(name)]
    return int(float(found[0].removeprefix(name)))


def test_asynchronously_a_dead_primary_takes_acknowledged_writes_along_and_rejoins_without_them(
    tmp_path: Path,
) -> None:
    with stack_of("asynchronous", QUICK, tmp_path) as stack:
        if not stack.can_partition:
            pytest.skip("this machine cannot cut the replication link")
        with LedgerWriter(stack.database_dsn()) as writer:
            stack.cut("mac-1", "mac-2")
            writer.wait_for_more(50, 60)
            stack.kill("mac-1")
            acknowledged = set(writer.acknowledged)
            wait_for(lambda: stack.primary() == "mac-2", "the standby's promotion", 180)
            writer.wait_for_more(10, 180)
        lost = acknowledged - rows_at(stack.database_dsn("mac-2"))
        assert len(lost) >= 50
        # What is lost is the end of the ledger: nothing older than the cut.
        assert lost == set(sorted(acknowledged)[-len(lost) :])

        stack.mend("mac-1", "mac-2")
        stack.start("mac-1")
        wait_until_whole(stack, 240)
        log = (stack.directory / "mac-1" / "log" / "patroni.log").read_text()
        assert "running pg_rewind" in log
        assert _timelines(stack) == {"mac-1": 2, "mac-2": 2}
        assert rows_at(stack.database_dsn("mac-1")) == rows_at(stack.database_dsn("mac-2"))


def _timelines(stack: StackHandle) -> dict[str, int]:
    primary = stack.primary()
    assert primary is not None
    return {name: member["timeline"] for name, member in stack.patroni(primary).members().items()}
