"""What the command line prints: one JSON document on stdout, words for people, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from architecture import InputError
from cli.commands import app
from evidence import load_run

runner = CliRunner()


def strict(text: str) -> dict[str, Any]:
    """Parse JSON, refusing what the standard does not know (NaN, Infinity)."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    document: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return document


def test_simulate_names_its_run_and_gives_the_documented_shapes(tmp_path: Path) -> None:
    done = runner.invoke(
        app,
        ["simulate", "--users", "20", "--replications", "2", "--json", "--runs-dir", str(tmp_path)],
    )
    document = strict(done.stdout)
    lookup = document["journeys"]["lookup"]["latency_s"]["p95"]
    assert set(lookup) == {"estimate", "lower", "upper", "confidence", "n"}
    assert set(document["stations"]["inference mac-1"]) == {"utilisation", "wait_s", "queue_length"}
    assert document["bottleneck"] in document["stations"]
    assert (
        load_run(tmp_path / document["run"]).record.outcome["bottleneck"]
        == (document["bottleneck"])
    )


def test_a_design_that_can_keep_its_promise_is_checked_with_its_bounds() -> None:
    done = runner.invoke(app, ["design", "check", "local", "--json"], standalone_mode=False)
    document = strict(done.stdout)
    assert document["problems"] == []
    assert document["failover_bound_s"]["primary-power-loss"]["write"] < 30
    assert done.return_value == 0


@pytest.mark.parametrize(
    ("design", "override", "key"),
    [
        (
            "local", "database.consensus={voters: [mac-1, mac-2]}", "database.consensus.voters",
        ),
        ("patroni-defaults", "workload.users=200", "objectives.B-20.primary.rto-write"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_keep_a_promise_is_named(
    design: str, override: str, key: str
) -> None:
    done = runner.invoke(
        app, ["design", "check", design, "--json", "--set", override], standalone_mode=False
    )
    document = strict(done.stdout)
    assert key in {problem["key"] for problem in document["problems"]}
    assert done.return_value == 1


def test_every_command_helps_with_an_example() -> None:
    commands = [
        ["demo"], ["doctor"], ["simulate"], ["predict"], ["calibrate"], ["load"], ["report"],
        ["dashboard"], ["design", "list"], ["design", "show"], ["design", "check"],
        ["design", "schema"], ["stack", "up"], ["stack", "status"], ["stack", "logs"],
        ["stack", "down"], ["chaos", "list"], ["chaos", "run"], ["runs", "list"], ["runs", "show"],
        ["models", "fetch"],
    ]  # fmt: skip
    for command in commands:
        helped = runner.invoke(app, [*command, "--help"])
        assert helped.exit_code == 0, command
        assert f"testbed {' '.join(command)}" in helped.stdout, command


def test_an_unknown_experiment_is_told_with_those_there_are_before_a_stack_is_looked_for(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="there is no experiment 'nosuch'") as caught:
        runner.invoke(
            app, ["chaos", "run", "nosuch", "--dir", str(tmp_path)], catch_exceptions=False
        )
    assert "primary-power-loss" in caught.value.allowed
