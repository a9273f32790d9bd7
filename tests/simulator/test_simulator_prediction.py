"""Predictions as they are recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from architecture import Design, InputError, load_design
from evidence import Estimate, load_run
from simulator import figures_for, predict, record
from simulator.failover import faults_of
from tests.simulator.simulator_figures import STEPS


def test_a_recorded_prediction_holds_the_documents_of_its_contract(
    local: Design, tmp_path: Path
) -> None:
    told: list[str] = []
    prediction = predict(
        local, seed=3, replications=40, capacity_replications=3, progress=told.append
    )
    run = load_run(record(prediction, tmp_path))
    outcome = json.loads((run.path / "run.json").read_text())["outcome"]
    assert run.record.kind == "prediction"
    assert run.record.seed == 3
    assert set(run.record.tables) == {"failover_samples", "latency", "stations"}
    assert set(outcome["failover_bound_s"]) == set(faults_of(local))
    assert outcome["bottleneck"] in outcome["stations"]
    for objective, document in outcome["predictions"].items():
        estimate = Estimate.model_validate(document)
        assert local.objective(objective)
        assert estimate == prediction.predictions[objective]
    assert set(outcome["journeys"]["lookup"]["latency_s"]) == {"mean", "p50", "p95", "p99"}
    writes = run.table("failover_samples").query("operation == 'write'").outage_s
    median = prediction.predictions["B-20.primary.rto-write"].estimate
    assert writes.min() <= median <= writes.max()
    assert told


def test_objectives_without_an_honest_model_are_named_and_not_predicted(local: Design) -> None:
    prediction = predict(local, replications=10, capacity_replications=2)
    assert "B-01.availability" not in prediction.predictions
    assert any(note.startswith("B-01.availability") for note in prediction.notes)
    zero = prediction.predictions["B-20.primary.lost"]
    assert (zero.lower, zero.upper, zero.n) == (0.0, 0.0, 0)
    assert any("while the standby is synchronous" in note for note in prediction.notes)


def test_asynchronous_replication_gets_no_promise_of_zero_loss() -> None:
    design = load_design("local", ["database.replication=asynchronous"])
    prediction = predict(design, replications=10, capacity_replications=2)
    assert prediction.predictions["B-20.primary.rpo"].upper > 0


def test_every_recovery_objective_gets_a_prediction(local: Design) -> None:
    prediction = predict(local, replications=20, capacity_replications=2, word_after_s=30.0)
    about_faults = {objective.id for objective in local.objectives if objective.fault is not None}
    assert about_faults <= set(prediction.predictions)
    both = prediction.predictions["B-20.both.rto-write"]
    assert 10 < both.lower <= both.upper < 30
    site = prediction.predictions["B-20.site.rto-write"]
    assert 30 < site.lower <= site.upper < 150


def test_a_wan_cut_before_both_nodes_dates_the_loss_back(local: Design) -> None:
    """The experiment both-power-loss-after-wan-cut: the WAN is away for ten seconds by then."""
    prediction = predict(local, replications=10, capacity_replications=2, wan_cut_s=10.0)
    rpo = prediction.predictions["B-20.both.rpo"]
    assert 8 < rpo.lower <= rpo.upper < 12


def test_an_endless_outage_is_recorded_as_infinity(tmp_path: Path) -> None:
    design = load_design("local", ["database.consensus={voters: [mac-1, mac-2]}"])
    prediction = predict(design, replications=10, capacity_replications=2)
    run = load_run(record(prediction, tmp_path))
    outcome = json.loads((run.path / "run.json").read_text())["outcome"]
    assert outcome["failover_bound_s"]["primary-crash"]["write"] == "Infinity"
    found = Estimate.model_validate(outcome["predictions"]["B-20.primary.rto-write"])
    assert found.estimate == float("inf")
    assert any("D-01" in note for note in outcome["notes"])


def test_same_seed_records_the_same_outcome(local: Design) -> None:
    first, second = (predict(local, seed=8, replications=15, capacity_replications=2) for _ in "ab")
    assert json.dumps(first.outcome()) == json.dumps(second.outcome())


def test_a_model_of_unknown_speed_is_refused_by_name_unless_step_times_are_given() -> None:
    design = load_design("dual-m3-ultra", ["inference.model=smollm2-135m"])
    with pytest.raises(InputError, match=r"smollm2-135m.*mac-studio-m3-ultra"):
        figures_for(design)
    assert figures_for(design, step_times=STEPS).step_times == STEPS
