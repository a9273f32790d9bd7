"""What the designs' own choices do to uptime, and what a design file may say about failures."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from architecture import InputError, load_design
from simulator.availability.budget import error_budget
from simulator.availability.exact import LOST, ExactModel, scaled
from simulator.availability.failover_means import OF_A_PAIR, FailoverMeans
from simulator.availability.planned import hourly_load, planned_work
from simulator.availability.structure import Structure
from simulator.availability.uptime import MEASURES, UptimeModel, simulate_uptime
from tests.availability.conftest import TWENTY_SECONDS, Ready


@cache
def exact(name: str) -> ExactModel:
    return ExactModel(UptimeModel(load_design(name), TWENTY_SECONDS))


def minutes(name: str, measure: str = "time_based") -> float:
    return 60 * exact(name).lost_h_per_year(measure)


def test_without_the_witness_every_failure_of_a_node_stops_the_database() -> None:
    assert minutes("two-member-etcd") > minutes("local") + 20


def test_one_balancer_alone_costs_hours_a_year() -> None:
    assert minutes("single-balancer") > minutes("local") + 120


def test_writes_that_wait_for_a_lost_standby_cost_more_than_failovers_ever_do() -> None:
    assert minutes("synchronous-strict") > minutes("local") + 120


@pytest.mark.parametrize("seconds", [30.0, 60.0])
def test_slower_failovers_cost_minutes_not_hours(seconds: float) -> None:
    slow = FailoverMeans({**TWENTY_SECONDS.seconds, **dict.fromkeys(OF_A_PAIR, seconds)})
    model = ExactModel(UptimeModel(load_design("local"), slow))
    assert 0 < 60 * model.lost_h_per_year("time_based") - minutes("local") < 15


@pytest.mark.parametrize("measure", MEASURES)
def test_the_pair_is_up_more_than_the_cluster_by_every_measure(measure: str) -> None:
    assert minutes("dual-m3-ultra", measure) < minutes("mac-mini-cluster", measure)


def test_the_cluster_breaks_999_at_typical_figures_and_the_pair_keeps_it() -> None:
    assert minutes("mac-mini-cluster") > 525.6 > minutes("dual-m3-ultra")


def test_an_emergency_for_a_quarter_of_users_with_a_quarter_of_functions_counts_six_percent() -> (
    None
):
    model = exact("dual-m3-ultra")
    emergencies = {
        level.capacity
        for state, level in zip(model.chain.states, model.chain.levels, strict=True)
        if state.phase == "emergency" and level.answering
    }
    assert emergencies == {50 / 200 * 0.25}


@given(
    cause=st.sampled_from(sorted({u.cause for u in exact("mac-mini-cluster").model.plant.units})),
    factor=st.floats(0.05, 0.99),
)
@settings(max_examples=25, deadline=None)
def test_failing_more_often_or_being_mended_later_never_raises_uptime(
    cause: str, factor: float
) -> None:
    model = exact("mac-mini-cluster")
    numbers = model.numbers()
    units = [i for i, unit in enumerate(model.model.plant.units) if unit.cause == cause]
    for measure in LOST:
        base = model.unplanned_h(measure, numbers)
        slack = 1e-5 * base  # failures of three at once are left out
        assert model.unplanned_h(measure, scaled(numbers, units, failure=factor)) >= base - slack
        assert model.unplanned_h(measure, scaled(numbers, units, repair=1 / factor)) >= base - slack


@given(factor=st.floats(0.2, 0.95), seed=st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_with_common_random_numbers_a_worse_unit_is_down_longer_in_every_history(
    factor: float, seed: int
) -> None:
    """One unit in series: its n-th failure comes earlier and its n-th repair is as long."""
    design = load_design("mac-mini-cluster", KEEP_ONE_MODE)
    worse = load_design(
        "mac-mini-cluster",
        (*KEEP_ONE_MODE, *_scaled_range("failures.wan.mean_time_between_failures_h", factor)),
    )
    down = [
        UptimeModel(system, TWENTY_SECONDS)
        .replication(0, years=30, seed=seed, inputs="typical")
        .accounts.yearly_h.sum()
        for system in (design, worse)
    ]
    assert down[1] >= down[0] - 1e-9


MODES = tuple(load_design("mac-mini-cluster").failures)
KEEP_ONE_MODE = (
    *(f"failures.{mode}=null" for mode in MODES if mode != "wan"), "power=null", "releases=null",
)  # fmt: skip


def _scaled_range(key: str, factor: float) -> list[str]:
    figure = load_design("mac-mini-cluster").failures["wan"].mean_time_between_failures_h
    values = {"low": figure.low, "typical": figure.typical, "high": figure.high}
    return [f"{key}.{name}={value * factor}" for name, value in values.items()]


def test_replications_add_up_and_repeat(ready: Ready) -> None:
    model = ready()
    runs = [
        simulate_uptime(model.design, years=60, replications=3, seed=5, model=model)
        for _ in range(2)
    ]
    for made, again in zip(*runs, strict=True):
        accounts = made.accounts
        total = accounts.yearly_h.sum()
        assert total == pytest.approx(sum(accounts.by_cause_h.values()))
        assert total == pytest.approx(sum(accounts.by_phase_h.values()))
        assert total == pytest.approx(accounts.outages_h.sum())
        assert accounts.silent_h <= accounts.capacity_h <= total + 1e-9
        assert accounts.requests_h <= accounts.first_tries_h <= total + 1e-9
        assert (accounts.yearly_h == again.accounts.yearly_h).all()


def test_drills_as_promised_are_nearly_three_budgets_and_as_planned_a_small_part_of_one() -> None:
    design = load_design("dual-m3-ultra")
    budget = error_budget(design, {})
    long_ones = sum(
        work.promised_h
        for work in planned_work(design)
        if work.name in {"full-dr-simulation", "dr-audit"}
    )
    assert long_ones == 4 * 4 + 8
    assert long_ones / (budget.budget_min / 60) == pytest.approx(2.74, abs=0.01)
    assert budget.drills_without_promise == ("full-dr-simulation", "dr-audit")
    assert budget.spent < 0.05


def test_a_drill_in_which_nothing_works_costs_its_whole_duration() -> None:
    design = load_design("dual-m3-ultra", ["drills.dr-audit.effect=outage"])
    audit = next(work for work in planned_work(design) if work.name == "dr-audit")
    assert audit.downtime_h == 8


def test_the_hours_of_a_day_average_to_one() -> None:
    assert sum(hourly_load(load_design("dual-m3-ultra"))) == pytest.approx(24)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("failures.node.strikes=moon", "failures.node.strikes"),
        ("failures.node.sites=[mac-9]", "failures.node.sites"),
        ("failures.node.count=2", "failures.node"),
        ("failures.switch.count=9", "failures.switch.count"),
        ("failures.database-process.service=null", "failures.database-process"),
        ("failures.etcd-process.sites=[gcp, edge-2]", "failures.etcd-process.sites"),
        ("failures.node-restart.spares=1", "failures.node-restart"),
        ("failures.node.repair={kind: lognormal}", "failures.node.repair.cv"),
        ("failures.node.repair={kind: weibull, shape: 0}", "failures.node.repair.shape"),
        ("failures.node.common_cause.high=1.5", "failures.node"),
        ("failures.node.mean_time_to_repair_h.low=0", "failures.node"),
        ("redundancy.nodes.coverage.high=1.1", "redundancy.nodes"),
        ("redundancy.nodes.covrage=1", "redundancy.nodes.covrage"),
        ("power.ups.fails=null", "power.ups.fails"),
        ("pauses.tail_index.low=0.5", "pauses"),
        ("drills.dr-audit.effect=switchover", "drills.dr-audit"),
        ("drills.dr-audit.hour=24", "drills.dr-audit.hour"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(override: str, key: str) -> None:
    with pytest.raises(InputError) as refused:
        load_design("dual-m3-ultra", [override])
    assert refused.value.key == key


def test_a_mode_that_says_nothing_of_what_it_strikes_is_refused() -> None:
    with pytest.raises(InputError, match="strikes is needed") as refused:
        load_design("dual-m3-ultra", ["failures.operator.strikes=null"])
    assert refused.value.key == "failures.operator"
    assert "software" in refused.value.allowed


def test_a_design_without_failures_is_always_up(ready: Ready) -> None:
    model = ready(
        "dual-m3-ultra", "failures=null", "power=null", "releases=null", "pauses=null",
        "drills=null",
    )  # fmt: skip
    made = simulate_uptime(model.design, years=10, replications=2, model=model)
    assert all(replication.lost_h_per_year("time_based") == 0 for replication in made)


def test_the_ingress_of_the_cluster_goes_with_its_worker() -> None:
    structure = Structure(load_design("mac-mini-cluster"))
    lost = {
        part.unit.name
        for index, part in enumerate(structure.parts)
        if structure.balancer(frozenset({index})) == ""
    }
    assert {"node@worker-2", "balancer-process@worker-2"} <= lost
    assert "node@worker-1" not in lost
