"""Chaos Toolkit as it really runs: rollbacks, signals, gates."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chaoslib.activity import ensure_activity_is_valid
from chaoslib.exceptions import ActivityFailed
from chaoslib.experiment import ensure_experiment_is_valid

from architecture import InputError
from chaos import actions, probes, toolkit
from chaos.faults import Fault, faults_table, read_faults, write_faults

ROOT = Path(__file__).parents[2]
VARIABLES = (
    "PRONTUARIO_STACK", "PRONTUARIO_REQUEST_LOG", "PRONTUARIO_FAULT_LOG", "PRONTUARIO_SNAPSHOT",
)  # fmt: skip


def activity(function: str, kind: str = "action", **arguments: str) -> toolkit.Document:
    provider = {
        "type": "python",
        "module": "tests.chaos.steps",
        "func": function,
        "arguments": arguments,
    }
    return {"type": kind, "name": function, "provider": provider, "tolerance": True}


def experiment(folder: Path, *method: str, gate: str = "holds") -> toolkit.Document:
    file = str(folder / "steps")
    return {
        "title": "t",
        "description": "d",
        "runtime": {
            "hypothesis": {"strategy": "before-method-only"},
            "rollbacks": {"strategy": "always"},
        },
        "steady-state-hypothesis": {"title": "s", "probes": [activity(gate, "probe", file=file)]},
        "method": [activity(step, file=file) for step in method],
        "rollbacks": [activity("mend", file=file)],
    }


def play(document: toolkit.Document, folder: Path) -> tuple[toolkit.Journal, list[str], list[str]]:
    said: list[str] = []
    journal = toolkit.play(document, {}, log=folder / "log", progress=said.append)
    done = (folder / "steps").read_text().split()
    return journal, done, said


@pytest.mark.parametrize("name", toolkit.experiment_names())
def test_every_experiment_is_valid_for_the_toolkit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "x")
    document = toolkit.load_experiment(name)
    ensure_experiment_is_valid(document)
    for step in document["rollbacks"]:
        ensure_activity_is_valid(step)
    assert document["runtime"]["rollbacks"]["strategy"] == "always"


def test_the_extension_names_what_it_offers() -> None:
    for module in (actions, probes):
        assert module.__all__ == sorted(module.__all__)
        assert all(callable(getattr(module, name)) for name in module.__all__)


def test_an_unknown_experiment_is_answered_with_those_there_are() -> None:
    with pytest.raises(InputError, match="primary-power-loss"):
        toolkit.load_experiment("no-such-thing")


def test_rollbacks_play_after_the_method(tmp_path: Path) -> None:
    journal, done, said = play(experiment(tmp_path, "breaks"), tmp_path)
    assert done == ["holds", "breaks", "mend"]
    assert said == done
    assert not toolkit.interrupted(journal)
    assert toolkit.failures(journal) == []


def test_the_journal_can_be_kept_and_does_not_name_the_machine(tmp_path: Path) -> None:
    journal, _, _ = play(experiment(tmp_path, "breaks"), tmp_path)
    assert "node" not in json.loads(json.dumps(journal))


def test_a_gate_that_does_not_hold_keeps_the_method_from_being_played(tmp_path: Path) -> None:
    journal, done, _ = play(experiment(tmp_path, "breaks", gate="is_missing"), tmp_path)
    assert done == ["is_missing", "mend"]
    reason = toolkit.gate_failure(journal)
    assert reason is not None
    assert "a standby is missing" in reason


def test_a_step_that_fails_is_reported_and_the_rollbacks_play(tmp_path: Path) -> None:
    journal, done, said = play(experiment(tmp_path, "fails", "breaks"), tmp_path)
    assert done == ["holds", "fails", "breaks", "mend"]
    assert toolkit.failures(journal) == [
        "fails: chaoslib.exceptions.ActivityFailed: ValueError: no such site"
    ]
    assert any(line.startswith("failed: fails") for line in said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_method_and_the_rollbacks_play(
    tmp_path: Path, number: signal.Signals
) -> None:
    document = tmp_path / "experiment.json"
    document.write_text(json.dumps(experiment(tmp_path, "breaks", "waits", "breaks")))
    program = f"""
import json
from pathlib import Path
from chaos import toolkit
folder = Path({str(tmp_path)!r})
document = json.loads((folder / "experiment.json").read_text())
journal = toolkit.play(document, {{}}, log=folder / "log", progress=lambda _: None)
print(toolkit.interrupted(journal))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    steps = tmp_path / "steps"
    deadline = time.monotonic() + 120
    while not steps.exists() or "waits" not in steps.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert said.strip() == "True"
    assert steps.read_text().split() == ["holds", "breaks", "waits", "mend"]


def test_faults_survive_the_file_they_are_kept_in(tmp_path: Path) -> None:
    log = tmp_path / "faults.json"
    assert read_faults(log) == []
    landed = Fault("primary-power-loss", "mac-1", 1.5, 2.5, 9.0, confirmed=True)
    write_faults(log, [landed])
    assert read_faults(log) == [landed]
    write_faults(log, [Fault("primary-power-loss", "mac-1", 1.5)])
    table = faults_table(read_faults(log))
    assert table["landed_s"].isna().all()
    assert not table["confirmed"].any()


def test_probes_of_a_fault_fail_when_there_is_none(tmp_path: Path) -> None:
    log = str(tmp_path / "faults.json")
    with pytest.raises(ActivityFailed, match="no fault was injected"):
        probes.power_is_lost(str(tmp_path), log)
    with pytest.raises(ActivityFailed, match="no confirmed fault"):
        probes.clients_are_served_again(log, str(tmp_path / "requests.jsonl"), 1.0)


def test_actions_say_when_no_stack_runs(tmp_path: Path) -> None:
    with pytest.raises(ActivityFailed, match="there is no stack here"):
        actions.lose_power(str(tmp_path), str(tmp_path / "faults.json"), "primary-power-loss")
    with pytest.raises(ActivityFailed, match="there is no stack here"):
        actions.restore_power(str(tmp_path))
