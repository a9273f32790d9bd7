"""Run records are written whole or not at all, and refuse to be read wrongly."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from evidence import RunWriter, list_runs, load_run
from evidence.record import RecordError


def writer(root: Path) -> RunWriter:
    return RunWriter(
        root, kind="load", design_document={"name": "local"}, design_hash="0" * 64, seed=1,
        parameters={"users": 3},
    )  # fmt: skip


def test_a_finished_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"sent_s": [1.5, 2.5], "outcome": ["ok", "unknown"]})
    with writer(tmp_path) as run:
        run.write_table("requests", table)
        run.finish({"requests": 2})
    (found,) = list_runs(tmp_path)
    assert found.record.outcome == {"requests": 2}
    assert found.record.started <= found.record.finished
    pd.testing.assert_frame_equal(found.table("requests"), table, check_dtype=False)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_cut_off_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def cut_off() -> None:
        with writer(tmp_path) as run:
            run.write_table("requests", pd.DataFrame({"a": [1]}))
            run.finish({})
            raise error

    with pytest.raises(error):
        cut_off()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with writer(tmp_path) as run:
        run.write_table("requests", pd.DataFrame({"a": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_runs_of_the_same_second_get_names_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        with writer(tmp_path) as run:
            run.finish({})
    assert len({run.name for run in list_runs(tmp_path)}) == 3


def test_a_table_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with writer(tmp_path) as run:
        run.write_table("requests", pd.DataFrame({"a": [1]}))
        run.finish({})
    with pytest.raises(RecordError, match=r"no table 'ledger' \(tables: requests\)"):
        load_run(run.path).table("ledger")


def test_a_damaged_record_names_file_and_key(tmp_path: Path) -> None:
    with writer(tmp_path) as run:
        run.finish({})
    record = run.path / "run.json"
    record.write_text(record.read_text().replace('"kind": "load"', '"kinds": "load"'))
    with pytest.raises(RecordError, match=r"run\.json"):
        load_run(run.path)


def test_a_root_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(RecordError, match="cannot write run records"), writer(blocked):
        pass
