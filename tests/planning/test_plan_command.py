"""`testbed plan` and `compare`: one JSON document, a recorded run, exit code 1 when none holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from architecture import InputError, load_design
from cli import plan
from cli.scenario import scenario_of
from evidence import load_run
from simulator.hospital import ScheduledFault

app = typer.Typer()
app.command("plan")(plan.plan)
app.command("compare")(plan.compare)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_cheapest_is_named_with_its_cost_and_the_others_reasons(tmp_path: Path) -> None:
    done = run(
        "plan", "--users", "100", "--hardware", "mac-studio-m3-ultra", "--hardware", "mac-mini-m4",
        "--nodes", "1", "--replications", "2", "--json", "--runs-dir", str(tmp_path),
    )  # fmt: skip
    found = document(done)
    assert done.exit_code == 0
    assert found["chosen"]["hardware"] == "mac-studio-m3-ultra"
    assert found["chosen"]["cost"]["total_brl"]["typical"] > 0
    [rejected] = found["rejected"]
    assert rejected["hardware"] == "mac-mini-m4"
    assert "> " in rejected["reason"]
    assert load_run(tmp_path / found["run"]).record.kind == "plan"


def test_when_no_option_holds_the_exit_code_says_so(tmp_path: Path) -> None:
    done = run(
        "plan", "--users", "400", "--hardware", "mac-mini-m4", "--nodes", "1",
        "--replications", "2", "--json", "--runs-dir", str(tmp_path),
    )  # fmt: skip
    assert done.exit_code == 1
    assert document(done)["chosen"] is None


def test_compare_gives_paired_differences(tmp_path: Path) -> None:
    done = run(
        "compare", "mac-mini-cluster", "dual-m3-ultra", "--users", "15", "--replications", "3",
        "--json",
    )  # fmt: skip
    difference = document(done)["differences"]["lookup.latency_s.mean"]
    assert difference["direction"] == "less"
    assert difference["difference"]["n"] == 3


def test_simulates_options_become_a_scenario() -> None:
    pair = load_design("dual-m3-ultra")
    struck = scenario_of(
        pair, users=50, day=False, faults=["primary-power-loss@600"], duration_s=None
    )
    assert struck.faults == (ScheduledFault("primary-power-loss", 600.0),)
    assert (struck.users, struck.warmup_s, struck.duration_s) == (50, 0.0, 1200.0)
    assert scenario_of(pair, users=None, day=True, faults=[], duration_s=None).duration_s == 86_400


def test_a_day_is_refused_for_a_workload_without_one() -> None:
    design = load_design("dual-m3-ultra", ["workload.day=null"])
    with pytest.raises(InputError, match=r"workload\.day"):
        scenario_of(design, users=None, day=True, faults=[], duration_s=None)
