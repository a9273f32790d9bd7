"""The rules of backups, without a server: what is due, what may go, what can be restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from reference_stack.database import backup_schedule
from reference_stack.database.backup import BackupError, BaseBackup
from reference_stack.database.backup_retention import dispensable
from reference_stack.database.backup_schedule import BackupSettings, Schedule, reason
from reference_stack.database.restore import choose
from tests.database.servers import store_at

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSPITAL, CLOUD = store_at(1), store_at(1, "cloud")


def backup(hours_ago: float, timeline: int = 1, segment: int = 0) -> BaseBackup:
    end = NOON - timedelta(hours=hours_ago)
    return BaseBackup(
        backup_id=end.strftime("%Y%m%dT%H%M%S"),
        begin_time=end - timedelta(minutes=1),
        end_time=end,
        begin_wal=f"{timeline:08X}{0:08X}{segment:08X}",
        timeline=timeline,
        size_bytes=1,
    )


@pytest.mark.parametrize(
    ("backups", "timeline", "gap", "due"),
    [
        ([], 1, False, "none yet"),
        ([backup(23)], 1, False, None),
        ([backup(24)], 1, False, "24.0 h old"),
        ([backup(1)], 2, False, "timeline 1, this is 2"),
        ([backup(1)], 1, True, "let go"),
        ([backup(30), backup(1)], 1, False, None),
    ],
)
def test_a_base_backup_is_due_when_there_is_none_or_the_way_from_the_last_is_broken_or_long(
    backups: list[BaseBackup], timeline: int, gap: bool, due: str | None
) -> None:
    said = reason(backups, now=NOON, timeline=timeline, gap=gap, every_h=24)
    assert said == due if due is None else due in str(said)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_what_goes_is_all_that_only_the_base_backups_that_go_need(
    count: int, keep: int, every: int
) -> None:
    backups = [backup(count - i, segment=i * every) for i in range(count)]
    segments = [
        f"hospital/wals/0000000100000000/0000000100000000{i:08X}.gz" for i in range(count * every)
    ]
    folders = [f"hospital/base/{one.backup_id}/data.tar.gz" for one in backups]
    history = "hospital/wals/00000002.history"
    gone = dispensable(backups, [*folders, *segments, history], "hospital", keep)
    removed = max(count - keep, 0)
    assert gone == [*folders[:removed], *segments[: removed * every]]


def test_what_is_left_of_base_backups_that_never_got_complete_goes_with_their_elders() -> None:
    backups = [backup(30), backup(20), backup(10)]
    never, under_way = backup(25), backup(0)
    objects = [f"hospital/base/{one.backup_id}/data.tar" for one in (*backups, never, under_way)]
    gone = dispensable(backups, objects, "hospital", 2)
    assert gone == [objects[0], objects[3]]


class KilledError(BaseException):
    """The process ends here."""


def test_a_gap_stays_open_until_the_base_backup_that_closes_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BackupSettings(
        store=HOSPITAL, store_file=tmp_path / "store", gap=tmp_path / "gap", base_every_h=24,
        keep_base_backups=7, settle_s=0, timeout_s=1, patroni_url="", host="", port=1, user="",
        password="",
    )  # fmt: skip
    known = [backup(-(datetime.now(UTC) - NOON).total_seconds() / 3600)]
    made: list[str] = []

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    def make(*_: object, **__: object) -> None:
        made.append("backup")

    monkeypatch.setattr(backup_schedule, "primary_timeline", lambda _url: 1)
    monkeypatch.setattr(backup_schedule, "reachable", lambda _store: True)
    monkeypatch.setattr(backup_schedule, "base_backups", lambda _store: tuple(known))
    settings.gap.touch()
    monkeypatch.setattr(backup_schedule, "make_base_backup", killed)
    with pytest.raises(KilledError):
        Schedule(settings, CollectorRegistry()).look(0)
    monkeypatch.setattr(backup_schedule, "make_base_backup", make)
    reborn = Schedule(settings, CollectorRegistry())
    for now_s in (0, 1, 2):
        reborn.look(now_s)
    assert made == ["backup"]


def test_a_restore_starts_from_the_newest_base_backup_complete_by_then_of_either_cluster() -> None:
    found = [(HOSPITAL, backup(9)), (CLOUD, backup(5)), (HOSPITAL, backup(1))]
    assert choose(found, NOON - timedelta(hours=4)) == found[1]
    assert choose(found, NOON - timedelta(hours=6)) == found[0]
    assert choose(found, None) == found[2]
    with pytest.raises(BackupError, match="the first was at 2026-03-01 03:00"):
        choose(found, NOON - timedelta(hours=10))
