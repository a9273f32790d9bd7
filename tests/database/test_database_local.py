"""The design as it is run here: lag, failover, rejoin and backup, each with the rows compared."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from cli.stack_backup import backups
from reference_stack import binaries
from reference_stack.addresses import Endpoint
from reference_stack.database.backup import base_backups
from reference_stack.database.backup_render import CLUSTERS, backup_store
from reference_stack.database.health import problems
from reference_stack.database.lag import replication_lag_s
from reference_stack.database.restore import restored
from reference_stack.handle import StackHandle
from tests.database.ledger import LedgerWriter, rows_at, stack_of, tell, wait_until_whole
from tests.ports import free_port
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

OVERRIDES = (
    "sites.gcp.services=[etcd, database, bucket]",
    "database.lease.loop_wait_s=2",
)
B_09_LAG_S = 0.1


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackHandle]:
    with stack_of("local", OVERRIDES, tmp_path_factory.mktemp("database")) as handle:
        yield handle


def test_the_standbys_lag_keeps_b09_while_writes_go_on(stack: StackHandle) -> None:
    wait_until_whole(stack, 180)
    primary, standby = _sites(stack)
    samples = []
    url = stack.database_dsn()
    with LedgerWriter(url) as first, LedgerWriter(url, 1_000_000) as second:
        began = time.monotonic()
        while (
            time.monotonic() < began + 6
            or len(samples) < 20
            or min(len(first.acknowledged), len(second.acknowledged)) <= 50
        ):
            assert time.monotonic() < began + 120, "too few writes"
            samples.append(replication_lag_s(stack.database_dsn(primary))[standby])
            time.sleep(0.05)

    tell(f"lag: n {len(samples)}, median {statistics.median(samples)}, most {max(samples)} s")

    assert statistics.median(samples) < B_09_LAG_S


def test_a_killed_primary_loses_nothing_acknowledged_and_comes_back_as_a_standby(
    stack: StackHandle,
) -> None:
    wait_until_whole(stack, 180)
    primary, standby = _sites(stack)
    with LedgerWriter(stack.database_dsn(), 2_000_000) as writer:
        writer.wait_for_more(50, 60)
        stack.kill(primary)
        wait_for(lambda: stack.primary() == standby, "the standby's promotion", 180)
        writer.wait_for_more(20, 120)
        stack.start(primary)
        wait_until_whole(stack, 240)
        writer.wait_for_more(20, 120)
    acknowledged = set(writer.acknowledged)
    assert acknowledged <= rows_at(stack.database_dsn(standby))
    wait_for(
        lambda: acknowledged <= rows_at(stack.database_dsn(primary)), "every row on both nodes"
    )
    members = stack.patroni(standby).members()
    assert members[primary]["timeline"] == members[standby]["timeline"] > 1


def test_writes_outlive_the_loss_of_all_of_etcd_while_both_nodes_agree(stack: StackHandle) -> None:
    wait_until_whole(stack, 180)
    assert problems(stack.design, stack.addresses) == []
    lease = stack.design.database.lease
    consensus = stack.design.database.consensus
    assert lease is not None
    assert consensus is not None
    with LedgerWriter(stack.database_dsn(), 5_000_000) as writer:
        for voter in consensus.voters:
            stack.stop_services(voter, ["etcd"])
        # Without failsafe_mode the primary steps down before its lease has run out.
        time.sleep(lease.ttl_s + 2)
        writer.wait_for_more(20, 120)
        for voter in consensus.voters:
            stack.start_services(voter, ["etcd"])
        wait_until_whole(stack, 180)
    assert set(writer.acknowledged) <= rows_at(stack.database_dsn())


def test_with_both_nodes_gone_the_bucket_alone_gives_the_rows_of_any_moment(
    stack: StackHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_until_whole(stack, 180)
    stores = [backup_store(stack.design, stack.addresses, cluster) for cluster in CLUSTERS]
    _wait_for_base_backup(stack)
    with LedgerWriter(stack.database_dsn(), 3_000_000) as writer:
        writer.wait_for_more(20, 120)
    then = rows_at(stack.database_dsn())
    time.sleep(0.1)
    moment = datetime.now(UTC)
    time.sleep(0.1)
    with LedgerWriter(stack.database_dsn(), 4_000_000) as writer:
        writer.wait_for_more(20, 120)
    latest = rows_at(stack.database_dsn())
    _wait_until_archived(stack)
    for site in stack.hospital_sites:
        stack.kill(site)
    backups(stack.directory, json=True)
    listed = json.loads(capsys.readouterr().out)
    assert {entry["cluster"] for entry in listed} == {"hospital"}
    for to, rows in ((moment, then), (None, latest)):
        with restored(
            stores, to=to, into=tmp_path / ("then" if to else "latest"),
            endpoint=Endpoint("127.0.0.1", free_port()),
            binaries=binaries.require("postgres").path.resolve().parent,
            user="postgres", password=stack.secret("superuser"),
        ) as copy:  # fmt: skip
            url = f"postgresql://postgres:{stack.secret('superuser')}@{copy.endpoint}/prontuario"
            assert rows_at(url) == rows


def _sites(stack: StackHandle) -> tuple[str, str]:
    primary = stack.primary()
    assert primary is not None
    (standby,) = (site for site in stack.hospital_sites if site != primary)
    return primary, standby


def _wait_for_base_backup(stack: StackHandle) -> None:
    """The schedule makes one by itself, of the timeline that the primary is on."""
    primary, _ = _sites(stack)
    store = backup_store(stack.design, stack.addresses, CLUSTERS[0])
    timeline = stack.patroni(primary).members()[primary]["timeline"]

    def there() -> bool:
        time.sleep(1)
        return any(backup.timeline == timeline for backup in base_backups(store))

    wait_for(there, f"a base backup of timeline {timeline}", 300)


def _wait_until_archived(stack: StackHandle) -> None:
    with psycopg.connect(stack.database_dsn(), autocommit=True) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None

        def there() -> bool:
            found = connection.execute(
                "SELECT last_archived_wal >= %s FROM pg_stat_archiver", row
            ).fetchone()
            return found == (True,)

        wait_for(there, f"{row[0]} in the archive", 240)
