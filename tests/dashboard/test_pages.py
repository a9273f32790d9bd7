"""The pages as Streamlit runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.serve import APP
from dashboard.settings import ROOT_VARIABLE
from evidence import list_runs
from reports import build_report
from reports.findings import findings
from tests.reports.fixtures import (
    LATE_PREDICTION,
    NO_LEDGER,
    REFUTED,
    UNCONFIRMED,
    Situation,
    local_design,
    write_situation,
)

pytestmark = pytest.mark.long

PAGES = ("promises", "failover", "predictions", "runs")
TIMEOUT_S = 120


def page(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S).run()
    if name != "promises":
        app.switch_page(f"app_pages/{name}.py").run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(scope="module")
def refuted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("refuted")
    build_report(write_situation(root, REFUTED), root)
    return root


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_folder_says_which_command_makes_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page(name, tmp_path, monkeypatch)
    assert "testbed predict" in app.info[0].value
    assert "testbed chaos run" in app.info[0].value


def test_the_first_page_answers_its_question(
    refuted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("promises", refuted, monkeypatch)
    total = len(local_design().objectives)
    assert app.title[0].value == f"3 of {total} promises refuted by the evidence"
    assert any("exit code 1" in caption.value for caption in app.caption)
    assert "45.0\u00a0s" in [metric.value for metric in app.metric]


def test_the_failover_page_shows_recovery_ledger_and_events(
    refuted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("failover", refuted, monkeypatch)
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Writing a note: again after"] == "45.0\u00a0s"
    assert figures["Lost"] == str(REFUTED.lost_notes)
    assert "mac-2 UP" in app.dataframe[-1].value["Event"].to_list()


def test_the_prediction_page_counts_the_pairs_inside(
    refuted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("predictions", refuted, monkeypatch)
    found = findings(list_runs(refuted), local_design())
    inside = sum(pair.covered for pair in found.pairs)
    assert app.markdown[0].value.startswith(f"**{inside} of {len(found.pairs)}** measured")


def test_the_runs_page_shows_the_newest_record(
    refuted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = page("runs", refuted, monkeypatch)
    assert app.dataframe[0].value["Kind"].to_list() == ["report", "chaos", "prediction"]
    assert app.subheader[0].value.endswith("report-local")


@pytest.mark.parametrize("situation", [UNCONFIRMED, NO_LEDGER, LATE_PREDICTION])
@pytest.mark.parametrize("name", PAGES)
def test_missing_evidence_breaks_no_page(
    name: str, situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_situation(tmp_path, situation)
    app = page(name, tmp_path, monkeypatch)
    if (name, situation) == ("failover", UNCONFIRMED):
        assert "not confirmed" in app.warning[0].value
    if (name, situation) == ("predictions", LATE_PREDICTION):
        assert "recorded before its experiment" in app.info[0].value


def test_a_broken_record_is_named_not_thrown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{}")
    app = page("promises", tmp_path, monkeypatch)
    assert "broken" in app.error[0].value
