"""The journal survives what a crash leaves, and refuses what can't be true."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.fallback.journal import JOURNAL_FILE, Journal, JournalHeldError, entries
from reference_stack.fallback.state import STEPS, JournalError, State
from tests.fallback.simulated import NODES


def promoted(journal: Journal) -> State:
    journal.append("armed")
    journal.append("decided", reason="both-down")
    for step in STEPS["promotion"]:
        journal.append("begun", step)
        journal.append("done", step, fenced=True, standby_cluster={"host": "a,b"}, next_xid=7)
    return journal.state


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with Journal(tmp_path, NODES) as journal:
        before = promoted(journal)
    with Journal(tmp_path, NODES) as again:
        assert again.state == before
    assert (before.leader, before.epoch, before.phase, before.fenced) == ("cloud", 1, "cloud", True)
    assert before.unsalvaged == set(NODES)


@given(cut=st.integers(min_value=1, max_value=400))
def test_a_line_cut_off_by_a_crash_never_happened(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with Journal(folder, NODES) as journal:
        promoted(journal)
    path = folder / JOURNAL_FILE
    whole = path.read_bytes()
    cut = min(cut, len(whole))
    os.truncate(path, len(whole) - cut)
    kept = whole[: len(whole) - cut].count(b"\n")
    with Journal(folder, NODES) as again:
        assert len(entries(folder)) == kept
        if again.state.step is not None and not again.state.begun:
            again.append("begun", again.state.step)
    assert path.read_bytes().endswith(b"\n") or not kept


def test_two_can_not_lead_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path, NODES), pytest.raises(JournalHeldError, match="another process leads"):
        Journal(tmp_path, NODES)
    Journal(tmp_path, NODES).close()


def test_what_can_not_follow_is_refused_and_not_written(tmp_path: Path) -> None:
    with Journal(tmp_path, NODES) as journal:
        with pytest.raises(JournalError, match="'decided'  cannot follow hospital"):
            journal.append("decided", reason="both-down")  # nothing was ever seen alive
        promoted(journal)
        written = len(entries(tmp_path))
        for kind, step in (("decided", None), ("done", "promote"), ("rollback", None)):
            with pytest.raises(JournalError):
                journal.append(kind, step)  # type: ignore[arg-type]
        assert len(entries(tmp_path)) == written


def test_gates_open_only_when_the_hospital_leads_or_is_told_to_follow(tmp_path: Path) -> None:
    with Journal(tmp_path, NODES) as journal:
        assert journal.state.order("mac-1") == "start"
        journal.append("armed")
        journal.append("decided", reason="both-down")
        assert journal.state.order("mac-1") == "wait"
    with Journal(tmp_path, NODES) as journal:
        for step in STEPS["promotion"]:
            journal.append("begun", step)
            journal.append("done", step)
        assert journal.state.order("mac-1") == "salvage"
        journal.append("salvaged", site="mac-1")
        assert journal.state.order("mac-1") == "wait"
        assert journal.state.order("mac-2") == "salvage"
        journal.append("way-back", required=1)
        for step in STEPS["way-back"][:4]:
            assert journal.state.order("mac-1") == "wait"
            journal.append("begun", step)
            journal.append("done", step)
        assert journal.state.step == "rejoin"
        assert journal.state.order("mac-1") == "start"
        # Left behind, mac-2 still gives up what it holds before it may join.
        for step in STEPS["way-back"][4:]:
            journal.append("begun", step)
            journal.append("done", step)
        assert journal.state.phase == "hospital"
        assert journal.state.order("mac-2") == "salvage"
