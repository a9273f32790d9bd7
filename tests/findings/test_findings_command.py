"""`testbed findings`, without the doubts that need simulated years."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from cli.findings import findings
from evidence import list_runs

app = typer.Typer()
app.command()(findings)


def test_json_names_the_run_and_says_infinity_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["D-07", "D-10", "--json", "--runs-dir", str(tmp_path)], catch_exceptions=False
    )
    document = json.loads(result.stdout)
    (run,) = list_runs(tmp_path)
    assert document["run"] == run.name
    assert [finding["id"] for finding in document["findings"]] == ["D-07", "D-10"]
    assert document["findings"] == run.record.outcome["findings"]


def test_people_read_doubt_verdict_figures_and_mend(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["D-10", "--runs-dir", str(tmp_path)], catch_exceptions=False)
    assert "bears out" in result.stdout
    assert "… times the budget: 2.738" in result.stdout
    assert "mend:" in result.stdout
    assert str(tmp_path) in result.stdout
