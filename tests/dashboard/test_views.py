"""What the pages show, as data frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dashboard import views
from evidence import list_runs
from reports import build_report
from reports.findings import Findings, findings
from reports.html import short_names
from tests.reports.fixtures import HELD_SO_FAR, REFUTED, local_design, write_situation


@pytest.fixture(scope="module")
def refuted(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    root = tmp_path_factory.mktemp("views")
    write_situation(root, REFUTED)
    return findings(list_runs(root), local_design())


def test_the_table_has_each_objective_once_with_its_verdict_in_words(refuted: Findings) -> None:
    table = views.verdict_table(refuted).set_index("Objective")
    assert list(table.index) == [o.id for o in local_design().objectives]
    assert table.loc["B-20.primary.rto-write", "Verdict"] == "✕\u00a0Refuted"
    assert table.loc["B-20.primary.rto-write", "Target"] == "≤\u00a030\u00a0s"


def test_cards_show_only_what_was_tested_refuted_first(refuted: Findings) -> None:
    outcomes = [judgement.verdict.verdict for judgement in views.featured(refuted)]
    assert outcomes == ["refuted"] * 3 + ["inconclusive"] * 2 + ["held"]


def test_events_count_from_the_landing_in_order() -> None:
    events = pd.DataFrame(
        {"time_s": [12.5, 9.0], "source": ["b", "a"], "event": ["y", "x"], "detail": ["", ""]}
    )
    table = views.events_table(events, zero_s=10.0)
    assert list(table["Seconds after landing"]) == [-1.0, 2.5]
    assert list(table["Source"]) == ["a", "b"]


def test_lost_notes_are_listed_by_age(refuted: Findings) -> None:
    (trial,) = refuted.trials
    lost = views.lost_notes(trial.run.table("ledger"), trial.landed_s)
    assert len(lost) == REFUTED.lost_notes
    assert lost["Acknowledged before landing, s"].is_monotonic_decreasing


def test_an_unread_ledger_lists_no_note(refuted: Findings) -> None:
    ledger = refuted.trials[0].run.table("ledger").assign(found=pd.NA)
    assert views.lost_notes(ledger, 0.0).empty


def test_intervals_say_which_measurements_lie_outside(refuted: Findings) -> None:
    table = views.recovery_intervals(refuted.pairs, short_names(refuted.runs))
    assert list(table["fit"]) == [
        "outside the prediction", "inside the prediction", "inside the prediction",
    ]  # fmt: skip
    inside = (table["measured"] >= table["lower"]) & (table["measured"] <= table["upper"])
    assert list(inside) == [False, True, True]


def test_the_chart_draws_every_row(refuted: Findings) -> None:
    table = views.latency_intervals(refuted.latency)
    spec = views.interval_chart(table, logarithmic=True).to_dict()
    (data,) = spec["datasets"].values()
    assert [row["label"] for row in data] == list(table["label"])


def test_designs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    write_situation(tmp_path, HELD_SO_FAR)
    runs = list_runs(tmp_path)
    changed = runs[0].record.model_copy(update={"design_hash": "0" * 64})
    other = type(runs[0])(runs[0].path, changed)
    names = views.designs([other, *runs])
    assert list(names.values()) == [runs[-1].record.design_hash, "0" * 64]
    assert all(name.startswith("local (") for name in names)


def test_the_newest_report_on_the_design_is_found(tmp_path: Path) -> None:
    paths = write_situation(tmp_path, HELD_SO_FAR)
    assert views.newest_report(list_runs(tmp_path), "x") is None
    first = build_report(paths, tmp_path)
    second = build_report(paths, tmp_path)
    runs = list_runs(tmp_path)
    found = views.newest_report(runs, runs[0].record.design_hash)
    assert found is not None
    assert found.path == second.path != first.path


def test_runs_are_listed_newest_first(refuted: Findings) -> None:
    table = views.runs_table(refuted.runs)
    assert list(table["Kind"]) == ["chaos", "prediction"]
    assert list(table["Took, s"]) == [180.0, 41.0]
