"""The chapter on the doubts says what the run of findings recorded, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from architecture import load_design
from evidence import RunWriter, load_run
from evidence.record import RecordError
from reports.doubts import doubts_of
from reports.report import build_report, rebuild_page
from tests.reports.fixtures import HELD_SO_FAR, write_situation

FINDING: dict[str, Any] = {
    "id": "D-07", "claim": "it does not fire", "method": "calculation", "how": "evaluated",
    "evidence": [
        {"what": "share of nodes up", "unit": "", "source": "",
         "value": {"estimate": 0.5, "lower": 0.5, "upper": 0.5, "confidence": 1.0, "n": 0}},
        {"what": "longest outage", "unit": "s", "source": "",
         "value": {"estimate": "Infinity", "lower": "Infinity", "upper": "Infinity",
                   "confidence": 1.0, "n": 0}},
    ],
    "verdict": "held", "reason": "0.5 is not below 0.5",
    "mend": {
        "what": "fire when any node is down", "changes": ["alerts.HAClusterDegraded.expression"],
        "cost_brl": {"low": 2300, "typical": 8000, "high": 30000, "source": "a list of prices"},
        "evidence": [
            {"what": "downtime", "unit": "min/year", "source": "",
             "value": {"estimate": 286.4, "lower": 249.7, "upper": 323.1, "confidence": 0.95,
                       "n": 5}},
        ],
    },
    "experiment": "testbed chaos run x", "runs": [],
}  # fmt: skip


def write_findings(root: Path, finding: dict[str, Any]) -> Path:
    design = load_design("dual-m3-ultra")
    with RunWriter.of_design(
        root, kind="findings", design=design, seed=1, parameters={},
    ) as run:  # fmt: skip
        run.finish({"findings": [finding], "verdicts": {finding["id"]: finding["verdict"]}})
    return run.path


def test_figures_are_told_with_interval_and_n(tmp_path: Path) -> None:
    (doubt,) = doubts_of([load_run(write_findings(tmp_path, FINDING))])
    assert (doubt.word, doubt.rows[0].figure, doubt.rows[0].interval) == ("well founded", "0.5", "")
    assert doubt.rows[1].figure == "without end"
    assert doubt.mend is not None
    row = doubt.mend.rows[0]
    assert (row.figure, row.n) == ("286.4\u00a0min/year", 5)
    assert row.interval == "249.7\u00a0min/year to 323.1\u00a0min/year"
    assert doubt.mend.cost.startswith("R$ 8\u202f000 (2\u202f300 to 30\u202f000")
    assert doubt.text.startswith("HAClusterDegraded")


def test_the_newest_finding_on_a_doubt_counts(tmp_path: Path) -> None:
    paths = [
        write_findings(tmp_path, FINDING), write_findings(tmp_path, {**FINDING, "reason": "newer"})
    ]  # fmt: skip
    (doubt,) = doubts_of([load_run(path) for path in paths])
    assert doubt.reason == "newer"


def test_a_record_that_is_no_finding_is_named(tmp_path: Path) -> None:
    path = write_findings(tmp_path, {**FINDING, "evidence": [{"what": "x"}]})
    with pytest.raises(RecordError, match="findings"):
        doubts_of([load_run(path)])


def test_a_report_has_the_chapter_beside_verdicts_of_another_design(tmp_path: Path) -> None:
    runs = [*write_situation(tmp_path, HELD_SO_FAR), write_findings(tmp_path, FINDING)]
    report = build_report(runs, tmp_path)
    page = report.page.read_text(encoding="utf-8")
    assert "Are the doubts well founded?" in page
    assert "0.5 is not below 0.5" in page
    assert report.document["doubts"] == [{"id": "D-07", "verdict": "held", "run": runs[-1].name}]
    assert "Are the doubts well founded?" in rebuild_page(load_run(report.path))


def test_without_findings_there_is_no_chapter(tmp_path: Path) -> None:
    report = build_report(write_situation(tmp_path, HELD_SO_FAR), tmp_path)
    assert 'id="doubts"' not in report.page.read_text(encoding="utf-8")
    assert report.document["doubts"] == []
