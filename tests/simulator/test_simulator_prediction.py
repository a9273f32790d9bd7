"""Predictions as they are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from architecture import Design, InputError, load_design
from evidence import Estimate, load_run
from simulator import Prediction, figures_for, predict, record
from simulator.availability.one_year import YEARS_A_DRAW, year_ahead
from simulator.failover import faults_of
from tests.simulator.simulator_figures import STEPS


def small(design: Design, **settings: Any) -> Prediction:
    """A prediction of few replications."""
    return predict(
        design, **{"replications": 10, "capacity_replications": 2, "uptime_draws": 0, **settings}
    )


@pytest.fixture(scope="module")
def of_local(local: Design) -> Prediction:
    """Of the design as it is, for the tests that only read it."""
    return small(local, replications=20, word_after_s=30.0, uptime_draws=2)


def test_a_recorded_prediction_holds_the_documents_of_its_contract(
    local: Design, tmp_path: Path
) -> None:
    told: list[str] = []
    prediction = small(
        local, seed=3, replications=40, capacity_replications=3, uptime_draws=20,
        progress=told.append,
    )  # fmt: skip
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
    year = Estimate.model_validate(outcome["uptime"]["one_year"])
    assert year == prediction.predictions["B-01.availability"]
    assert outcome["uptime"]["target"] == 0.999


def test_a_year_spreads_wider_than_what_is_unknown_about_its_rates() -> None:
    """Chance comes on top of it; and most years are better than the long run's mean."""
    year = year_ahead(load_design("mac-mini-cluster"), 0.999, draws=20)
    assert year.one_year.lower < year.long_run.lower < year.long_run.upper < year.one_year.upper
    assert year.long_run.estimate < year.one_year.estimate
    assert year.one_year.n == 20 * YEARS_A_DRAW


def test_an_uptime_says_what_kind_of_interval_it_is(of_local: Prediction) -> None:
    (note,) = (note for note in of_local.notes if note.startswith("B-01.availability"))
    assert "the uptime of one year" in note
    assert "compared with no measurement" in note


def test_objectives_without_an_honest_model_are_named_and_not_predicted() -> None:
    prediction = small(load_design("local", ["failures={}"]), uptime_draws=2)
    assert "B-01.availability" not in prediction.predictions
    assert prediction.uptime is None
    assert any("no failures are listed" in note for note in prediction.notes)


def test_a_loss_that_the_protocol_rules_out_is_zero_and_no_estimate(of_local: Prediction) -> None:
    zero = of_local.predictions["B-20.primary.lost"]
    assert (zero.lower, zero.upper, zero.n) == (0.0, 0.0, 0)
    assert any("while the standby is synchronous" in note for note in of_local.notes)


def test_asynchronous_replication_gets_no_promise_of_zero_loss() -> None:
    design = load_design("local", ["database.replication=asynchronous"])
    prediction = small(design)
    assert prediction.predictions["B-20.primary.rpo"].upper > 0


def test_every_recovery_objective_gets_a_prediction(local: Design, of_local: Prediction) -> None:
    prediction = of_local
    about_faults = {objective.id for objective in local.objectives if objective.fault is not None}
    assert about_faults <= set(prediction.predictions)
    both = prediction.predictions["B-20.both.rto-write"]
    assert 10 < both.lower <= both.upper < 30
    site = prediction.predictions["B-20.site.rto-write"]
    assert 30 < site.lower <= site.upper < 150


def test_a_wan_cut_before_both_nodes_dates_the_loss_back(local: Design) -> None:
    """The experiment both-power-loss-after-wan-cut: the WAN is away for ten seconds by then."""
    prediction = small(local, wan_cut_s=10.0)
    rpo = prediction.predictions["B-20.both.rpo"]
    assert 8 < rpo.lower <= rpo.upper < 12


def test_an_endless_outage_is_recorded_as_infinity(tmp_path: Path) -> None:
    design = load_design("local", ["database.consensus={voters: [mac-1, mac-2]}"])
    prediction = small(design)
    run = load_run(record(prediction, tmp_path))
    outcome = json.loads((run.path / "run.json").read_text())["outcome"]
    assert outcome["failover_bound_s"]["primary-crash"]["write"] == "Infinity"
    found = Estimate.model_validate(outcome["predictions"]["B-20.primary.rto-write"])
    assert found.estimate == float("inf")
    assert any("D-01" in note for note in outcome["notes"])


def test_same_seed_records_the_same_outcome(local: Design) -> None:
    first, second = (small(local, seed=8, replications=15) for _ in "ab")
    assert json.dumps(first.outcome()) == json.dumps(second.outcome())


def test_a_model_of_unknown_speed_is_refused_by_name_unless_step_times_are_given() -> None:
    design = load_design("dual-m3-ultra", ["inference.model=smollm2-135m"])
    with pytest.raises(InputError, match=r"smollm2-135m.*mac-studio-m3-ultra"):
        figures_for(design)
    assert figures_for(design, step_times=STEPS).step_times == STEPS
