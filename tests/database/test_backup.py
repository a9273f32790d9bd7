"""Backups against a real server and a real bucket: what a restore holds, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from reference_stack import binaries
from reference_stack.addresses import Endpoint
from reference_stack.bucket.client import bucket_client
from reference_stack.database.backup import (
    BackupError,
    BackupStore,
    base_backups,
    make_base_backup,
)
from reference_stack.database.backup_retention import remove_dispensable
from reference_stack.database.restore import Restored, restored
from reference_stack.database.wal_fetch import fetch_wal
from tests.api.postgres_server import PostgresServer
from tests.database.servers import (
    PASSWORD,
    archived,
    archiving_primary,
    free_port,
    pause_s,
    running_bucket,
    store_at,
)
from tests.waiting import wait_for

pytestmark = pytest.mark.servers


def insert(server: PostgresServer, first: int, last: int) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for number in range(first, last + 1):
            connection.execute("INSERT INTO entry VALUES (%s)", (number,))


def now(server: PostgresServer) -> datetime:
    """The server's clock, with a margin around it in which nothing is committed."""
    pause_s(0.05)
    rows = server.execute("SELECT clock_timestamp()")
    pause_s(0.05)
    assert isinstance(rows[0][0], datetime)
    return rows[0][0]


def back_up(server: PostgresServer, store: BackupStore) -> None:
    make_base_backup(
        store, host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, timeout_s=180
    )


def rows_of(copy: Restored) -> list[int]:
    url = f"postgresql://postgres:{PASSWORD}@{copy.endpoint}/postgres"
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT number FROM entry ORDER BY number").fetchall()
    return [row[0] for row in rows]


def restore_rows(store: BackupStore, to: datetime | None, into: Path) -> list[int]:
    with restored(
        [store], to=to, into=into, endpoint=Endpoint("127.0.0.1", free_port()),
        binaries=binaries.require("postgres").path.resolve().parent,
        user="postgres", password=PASSWORD,
    ) as copy:  # fmt: skip
        return rows_of(copy)


def test_a_restore_holds_exactly_what_was_committed_until_the_moment_asked_for(
    tmp_path: Path,
) -> None:
    with running_bucket(tmp_path / "bucket", free_port()) as store:
        with archiving_primary(tmp_path, store) as server:
            insert(server, 1, 10)
            back_up(server, store)
            insert(server, 11, 20)
            before_the_mistake = now(server)
            insert(server, 21, 30)
            server.execute("DELETE FROM entry WHERE number <= 15")
            archived(server)
        # The server is gone: what is restored comes from the bucket alone.
        assert restore_rows(store, before_the_mistake, tmp_path / "then") == list(range(1, 21))
        assert restore_rows(store, None, tmp_path / "latest") == list(range(16, 31))


def test_moments_that_the_backups_do_not_cover_are_refused_with_the_reason(tmp_path: Path) -> None:
    with running_bucket(tmp_path / "bucket", free_port()) as store:
        with pytest.raises(BackupError, match="holds no complete base backup"):
            restore_rows(store, None, tmp_path / "none")
        with archiving_primary(tmp_path, store) as server:
            insert(server, 1, 3)
            too_early = now(server)
            back_up(server, store)
            insert(server, 4, 6)
            archived(server)
            end = now(server)
        with pytest.raises(BackupError, match="no base backup was complete then"):
            restore_rows(store, too_early, tmp_path / "early")
        with pytest.raises(BackupError, match="ends before the moment asked for"):
            restore_rows(store, end + timedelta(hours=1), tmp_path / "late")


def test_a_restore_never_takes_a_bucket_out_of_reach_for_the_archives_end(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="could not be fetched"):
        fetch_wal(store_at(free_port()), "000000010000000000000001", tmp_path / "wal")


def test_commits_go_on_while_the_bucket_is_away_and_archiving_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    with archiving_primary(tmp_path, store_at(port)) as server:
        server.execute("SELECT pg_switch_wal()")
        insert(server, 1, 200)  # a commit that waited for the archive would take for ever
        failed = server.execute("SELECT failed_count > 0, archived_count FROM pg_stat_archiver")
        assert failed[0][1] == 0
        with running_bucket(tmp_path / "bucket", port):
            archived(server)
        assert not (tmp_path / "gap").exists()


def test_wal_is_let_go_and_the_gap_marked_before_it_fills_the_disk(tmp_path: Path) -> None:
    with archiving_primary(tmp_path, store_at(free_port()), most_waiting=2) as server:
        for number in range(6):
            insert(server, number, number)
            server.execute("SELECT pg_switch_wal()")
        status = tmp_path / "pg" / "pg_wal" / "archive_status"
        wait_for(
            lambda: len(list(status.glob("*.ready"))) <= 2, "the oldest files to be let go", 180
        )
        assert (tmp_path / "gap").exists()


def test_what_is_removed_is_never_needed_by_a_base_backup_that_is_kept(tmp_path: Path) -> None:
    with running_bucket(tmp_path / "bucket", free_port()) as store:
        with archiving_primary(tmp_path, store) as server:
            for number in range(2):
                insert(server, number, number)
                archived(server)
                back_up(server, store)
            insert(server, 2, 2)
            archived(server)
        assert len(base_backups(store)) == 2
        client = bucket_client(Endpoint(store.host, store.port))
        assert remove_dispensable(client, store, keep=1) > 0
        kept = base_backups(store)
        assert len(kept) == 1
        assert kept[0].age_s(datetime.now(UTC)) < 600
        assert restore_rows(store, None, tmp_path / "restored") == [0, 1, 2]
