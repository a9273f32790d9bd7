"""The whole loop by the command line: it closes, its records rebuild it, and it can be cut."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evidence import Run, list_runs
from tests.stack.processes import processes_of
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.stack, pytest.mark.model, pytest.mark.alone,
    pytest.mark.timeout(900),
]  # fmt: skip

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "cli.main"]
USERS = "30"


def run_testbed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=PROJECT
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, Path]:
    """One demo: its JSON document, the folder of its runs, and where its stack was."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_testbed(
        "demo", "--users", USERS, "--runs-dir", folder / "runs", "--dir", folder / "stack",
        "--seed", "3", "--json",
    )  # fmt: skip
    assert done.returncode in {0, 1, 3}, done.stderr
    return json.loads(done.stdout), folder / "runs", folder / "stack"


def run_of(kind: str, runs: Path) -> Run:
    (found,) = [run for run in list_runs(runs) if run.record.kind == kind]
    return found


def test_killing_the_primary_moved_it_and_lost_no_acknowledged_note(
    finished: tuple[dict[str, Any], Path, Path],
) -> None:
    _, runs, _ = finished
    chaos = run_of("chaos", runs)
    outcome = chaos.record.outcome
    assert outcome["confirmed"] is True
    acknowledged = outcome["acknowledged"]
    assert isinstance(acknowledged, int)
    assert acknowledged > 20
    assert outcome["lost"] == 0
    recovered = outcome["rto_s"]
    assert isinstance(recovered, dict)
    for operation in ("read", "write"):
        seconds = recovered[operation]
        assert isinstance(seconds, float)
        assert math.isfinite(seconds)
    events = chaos.table("events")
    landed_s = chaos.table("faults")["landed_s"].iloc[0]
    after = events[(events["time_s"] > landed_s) & (events["event"] == "primary")]
    assert set(after["source"]) == {"patroni mac-2"}


def test_the_prediction_was_recorded_before_the_experiment(
    finished: tuple[dict[str, Any], Path, Path],
) -> None:
    document, runs, _ = finished
    prediction, chaos = run_of("prediction", runs), run_of("chaos", runs)
    assert prediction.record.finished <= chaos.record.started
    assert prediction.record.design_hash == chaos.record.design_hash
    (write,) = [v for v in document["verdicts"] if v["objective"] == "B-20.primary.rto-write"]
    assert write["predicted"]["lower"] < write["predicted"]["upper"]
    assert write["measured"]["estimate"] == pytest.approx(
        chaos.record.outcome["rto_s"]["write"]  # type: ignore[index, call-overload]
    )
    assert write["runs"] == [chaos.name]
    assert chaos.record.outcome["prediction"] == prediction.name


def test_the_records_alone_rebuild_the_report(
    finished: tuple[dict[str, Any], Path, Path],
) -> None:
    document, runs, _ = finished
    evidence = [run.path for run in list_runs(runs) if run.record.kind != "report"]
    again = run_testbed(
        "report", "--json", "--runs-dir", runs, *[word for path in evidence
                                                  for word in ("--runs", path)],
    )  # fmt: skip
    assert again.returncode in {0, 1, 3}, again.stderr
    assert json.loads(again.stdout)["verdicts"] == document["verdicts"]


def test_the_demo_leaves_nothing_but_its_records(
    finished: tuple[dict[str, Any], Path, Path],
) -> None:
    _, runs, stack = finished
    assert processes_of(stack) == []
    assert not stack.exists()
    kinds = sorted(run.record.kind for run in list_runs(runs))
    assert [kind for kind in kinds if kind != "report"] == ["calibration", "chaos", "prediction"]
    assert not list(runs.glob(".partial-*"))


@pytest.mark.parametrize("moment", ["timing", "starting mac-1", "take the power"])
def test_ctrl_c_leaves_no_process_and_no_half_written_record(moment: str, tmp_path: Path) -> None:
    log = tmp_path / "progress"
    with log.open("w") as progress:
        demo = subprocess.Popen(
            [
                *COMMAND, "demo", "--users", "5", "--runs-dir", str(tmp_path / "runs"),
                "--dir", str(tmp_path / "stack"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=progress,
            cwd=PROJECT,
            start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: moment in log.read_text() or demo.poll() is not None, moment, 400)
        assert demo.poll() is None, log.read_text()
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(120) == 130, log.read_text()
        assert processes_of(tmp_path) == []
        assert not list((tmp_path / "runs").glob(".partial-*"))
        assert not [run for run in list_runs(tmp_path / "runs") if run.record.kind == "chaos"]
    finally:
        demo.kill()
        for left in processes_of(tmp_path):
            left.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--users", "0"], "--users"),
        (["demo", "--design", "mac-mini-cluster"], "--design"),
        (["demo", "--design", "nonsense"], "dual-m3-ultra"),
        (["demo", "--set", "database.lease.ttl_s=banana"], "database.lease.ttl_s"),
        (["demo", "--set", "no-equals-sign"], "a.b.c=value"),
        (["demo", "--instance", "1000"], "0 to 99"),
        (["design", "check", "local", "--set", "edge.api_check.falls=2"], "fall"),
        (["chaos", "run", "earthquake"], "there is no experiment 'earthquake'"),
        (["chaos", "run", "primary-power-loss"], "there is no stack here"),
        (["load", "--dir", "/nonexistent"], "there is no stack here"),
        (["stack", "status", "--dir", "/nonexistent"], "there is no stack here"),
        (["stack", "logs", "mac-9", "--dir", "/nonexistent"], "mac-9"),
        (["report", "--runs-dir", "/nonexistent"], "there are no runs"),
        (["report", "--runs", "/nonexistent"], "/nonexistent"),
        (["runs", "show", "nothing", "--runs-dir", "/nonexistent"], "nothing"),
        (["models", "fetch", "gpt-99"], "smollm2-135m"),
    ],
)
def test_bad_input_is_one_clear_error_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    refused = run_testbed(*arguments)
    assert refused.returncode == 2, refused.stderr
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""
