"""`testbed sweep` and `testbed sensitivity`: documents, records, exit by named errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from architecture import InputError
from cli.sensitivity import sensitivity
from cli.sweep import sweep
from evidence import load_run

app = typer.Typer()
app.command("sweep")(sweep)
app.command("sensitivity")(sensitivity)

SHORT = ["--duration", "30", "--warmup", "10", "--jobs", "1", "--design", "dual-m3-ultra"]


def run(*arguments: str, folder: Path) -> dict[str, Any]:
    kept = ["--runs-dir", str(folder / "runs"), "--cache-dir", str(folder / "cache"), "--json"]
    done = CliRunner().invoke(app, [*arguments, *SHORT, *kept], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    record = load_run(folder / "runs" / document["run"]).record
    assert record.kind == arguments[0]
    return document


def test_sweep_prints_the_documented_shapes_and_names_its_run(tmp_path: Path) -> None:
    command = ("sweep", "--vary", "workload.users=10,20", "--replications", "2")
    document = run(*command, folder=tmp_path)
    assert [point["settings"] for point in document["points"]] == [
        {"workload.users": 10}, {"workload.users": 20},
    ]  # fmt: skip
    p95 = document["points"][0]["metrics"]["journeys.lookup.latency_s.p95"]
    assert set(p95) == {"estimate", "lower", "upper", "confidence", "n"}
    again = run(*command, folder=tmp_path)
    assert again["points"] == document["points"]


def test_sensitivity_tells_indices_and_both_variances(tmp_path: Path) -> None:
    document = run(
        "sensitivity", "--samples", "2", "--draws", "4", "--metric", "utilisation",
        "--set", "workload.users=10", folder=tmp_path,
    )  # fmt: skip
    found = document["metrics"]["utilisation"]
    assert set(found["variance"]) == {"mean", "sampling", "inputs", "input_share"}
    assert "demand-scale" in document["inputs"]
    assert set(found["indices"]) | set(document["without_effect"]) == set(document["inputs"])


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["sweep", "--vary", "workload.users=1,2", "--target", "luck"], "--target"),
        (["sweep", "--vary", "workload.users=1,2", "--precision", "0.1"], "--until"),
        (["sensitivity", "--samples", "6"], "--samples"),
        (["sensitivity", "--cluster", "nowhere:x"], "--cluster"),
    ],
)
def test_bad_input_is_named_by_its_option(arguments: list[str], where: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(
            app, [*arguments, *SHORT, "--cache-dir", str(tmp_path)], catch_exceptions=False
        )
    assert caught.value.where == where


def test_commands_help_with_an_example() -> None:
    for command in ("sweep", "sensitivity"):
        helped = CliRunner().invoke(app, [command, "--help"])
        assert f"testbed {command}" in helped.stdout
