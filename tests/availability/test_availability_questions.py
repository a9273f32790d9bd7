"""Questions: spares, repairs, leases, changes, importance, power; and the command's document."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy
import typer
from scipy import stats
from typer.testing import CliRunner

from architecture import InputError, load_design
from architecture.values import Range
from cli.availability import availability
from evidence import load_run
from simulator.availability.changes import changed, known_changes
from simulator.availability.exact import ExactModel
from simulator.availability.importance import importance, simulated_importance
from simulator.availability.questions import leases, repairs, spares, with_keys
from simulator.availability.rates import (
    YEAR_H,
    backorders,
    false_failovers_per_year,
    numbers_for,
)
from simulator.availability.result import variance_shares
from simulator.availability.uptime import simulate_uptime
from tests.availability.conftest import TWENTY_SECONDS, Ready


@pytest.mark.parametrize("in_stock", [0, 1, 2])
def test_waiting_for_spares_is_what_a_simulated_cupboard_gives(in_stock: int) -> None:
    """Delivery times are constant: Palm's theorem holds for any. t-test, error rate 0.001."""
    failures_per_h, delivery_h, horizon_h = 1 / 10, 12.0, 60_000.0
    means = []
    for seed in range(8):
        env, waits = simpy.Environment(), list[float]()
        shelf = simpy.Container(env, init=in_stock)
        generator = np.random.default_rng(seed)

        def order(env: simpy.Environment = env, shelf: simpy.Container = shelf):  # type: ignore[no-untyped-def]
            yield env.timeout(delivery_h)
            yield shelf.put(1)

        def need(env: simpy.Environment = env, shelf: simpy.Container = shelf, waits: Any = waits):  # type: ignore[no-untyped-def]
            asked = env.now
            env.process(order(env, shelf))
            yield shelf.get(1)
            waits.append(env.now - asked)

        def fail(env: simpy.Environment = env, generator: Any = generator, need: Any = need):  # type: ignore[no-untyped-def]
            while True:
                yield env.timeout(generator.exponential(1 / failures_per_h))
                env.process(need())

        env.process(fail())
        env.run(until=horizon_h)
        means.append(float(np.mean(waits)))
    expected_h = backorders(failures_per_h * delivery_h, in_stock) / failures_per_h
    if in_stock == 0:
        assert expected_h == pytest.approx(delivery_h)
    else:
        assert stats.ttest_1samp(means, expected_h).pvalue > 0.001


def test_more_spares_never_make_a_repair_longer(ready: Ready) -> None:
    repair_h = []
    for count in range(4):
        model = ready("mac-mini-cluster", f"failures.node.spares={count}")
        numbers = numbers_for(model.structure, TWENTY_SECONDS)
        nodes = [i for i, part in enumerate(model.structure.parts) if part.mode == "node"]
        repair_h.append(numbers.repair[nodes[0]].mean_h)
    assert repair_h == sorted(repair_h, reverse=True)
    assert repair_h[0] == 24
    assert repair_h[1] == pytest.approx(3, rel=0.01)


@pytest.mark.long
def test_false_failovers_are_what_simulated_pauses_give() -> None:
    """z-test of a proportion at error rate 0.001."""
    design = load_design("dual-m3-ultra")
    lease, detector = design.database.lease, design.database.failure_detector
    assert design.pauses is not None
    assert lease is not None
    assert detector is not None
    n, check = 400_000, detector.check
    generator = np.random.default_rng(1)
    pause_s = generator.random(n) ** (-1 / design.pauses.tail_index.typical)
    lease_s = lease.ttl_s - lease.loop_wait_s * generator.random(n)
    first_s = check.interval_s * generator.random(n)
    detector_s = first_s + check.fall * check.timeout_s + (check.fall - 1) * 0.5
    share = float(np.mean(pause_s > np.minimum(lease_s, detector_s)))
    expected = false_failovers_per_year(design, design.pauses) / design.pauses.per_year.typical
    assert abs(share - expected) < 3.3 * math.sqrt(expected * (1 - expected) / n)


def test_a_shorter_patience_fails_over_falsely_more_often() -> None:
    design = load_design("dual-m3-ultra", ["database.failure_detector=null"])
    assert design.pauses is not None
    rates = []
    for ttl_s in (20, 40, 80):
        lease = {"ttl_s": ttl_s, "loop_wait_s": 10, "retry_timeout_s": 5}
        variant = with_keys(design, {"database.lease": lease})
        rates.append(false_failovers_per_year(variant, design.pauses))
    assert rates == sorted(rates, reverse=True)
    assert rates[0] / rates[2] > 10


def test_power_that_always_comes_back_in_time_is_never_noticed(ready: Ready) -> None:
    sure = (
        "power.generator.fails={low: 0, typical: 0, high: 0, source: test}",
        "power.ups.fails={low: 0, typical: 0, high: 0, source: test}",
    )
    model = ready("dual-m3-ultra", *sure)
    numbers = numbers_for(model.structure, TWENTY_SECONDS)
    powers = [i for i, part in enumerate(model.structure.parts) if part.mode == "power"]
    assert all(math.isinf(numbers.failure[index].mean_h) for index in powers)


def test_power_without_battery_or_generator_fails_as_often_and_as_long_as_the_grid(
    ready: Ready,
) -> None:
    model = ready("dual-m3-ultra", "power.generator=null", "power.ups=null")
    numbers = numbers_for(model.structure, TWENTY_SECONDS)
    names = [part.unit.name for part in model.structure.parts]
    grid = names.index("power-long")
    assert YEAR_H / numbers.failure[grid].mean_h == pytest.approx(5.2)
    assert numbers.repair[grid].mean_h == pytest.approx(2.15)


def test_the_battery_bridges_what_the_generator_does_not(ready: Ready) -> None:
    """Of outages with mean 2 h, e^(−0.25/2) outlast a quarter of an hour."""
    model = ready(
        "dual-m3-ultra", "power.generator=null",
        "power.ups.fails={low: 0, typical: 0, high: 0, source: test}",
    )  # fmt: skip
    numbers = numbers_for(model.structure, TWENTY_SECONDS)
    names = [part.unit.name for part in model.structure.parts]
    seldom = YEAR_H / numbers.failure[names.index("power-long")].mean_h
    assert seldom == pytest.approx(5.2 * math.exp(-0.125))


def test_every_change_applies_to_some_shipped_design_and_repeats_none() -> None:
    names = ("dual-m3-ultra", "two-member-etcd", "single-balancer", "patroni-defaults",
             "mac-mini-cluster")  # fmt: skip
    designs = {name: load_design(name) for name in names}
    applies = {
        change: [name for name in names if changed(designs[name], known_changes()[change])]
        for change in known_changes()
    }
    assert all(applies.values()), applies
    assert applies["witness"] == ["two-member-etcd"]
    assert applies["second-balancer"] == ["single-balancer"]
    assert applies["ups"] == ["mac-mini-cluster"]
    assert "dual-m3-ultra" not in applies["tuned-lease"]
    assert "mac-mini-cluster" not in applies["canary-releases"]


@pytest.mark.long
def test_importance_by_the_chain_is_met_by_paired_simulations(ready: Ready) -> None:
    """Two causes, t-intervals at 99.9 %."""
    model = ready("mac-mini-cluster")
    found = {item.cause: item for item in importance(ExactModel(model))}
    base = simulate_uptime(
        model.design, years=600, replications=12, seed=3, inputs="typical", model=model
    )
    paired = simulated_importance(model, base, years=50, seed=3, inputs="typical")
    for cause in ("wan", "node-restart"):
        estimate = paired[cause]
        wider = (estimate.upper - estimate.lower) * 2.1
        assert abs(estimate.estimate - found[cause].perfect_min) < wider
    assert found["wan"].failure_elasticity == pytest.approx(-found["wan"].repair_elasticity, 0.05)
    assert found["etcd-process"].perfect_min == pytest.approx(0, abs=1e-6)


def test_what_is_unsure_is_told_from_what_is_chance(ready: Ready) -> None:
    model = ready("mac-mini-cluster")
    shares = [
        variance_shares(
            simulate_uptime(
                model.design, years=1000, replications=20, seed=2, inputs=inputs, model=model
            )
        )["figures_share"]
        for inputs in ("typical", "drawn")
    ]
    assert shares[0] < 0.01 < shares[1]


def test_the_command_prints_one_document_and_records_its_run(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(availability)
    words = [
        "--design", "mac-mini-cluster", "--years", "40", "--replications", "4", "--json",
        "--runs-dir", str(tmp_path),
    ]  # fmt: skip
    results = [CliRunner().invoke(app, more) for more in ([*words, "--repair", "switch"], words)]
    first, second = (json.loads(result.stdout) for result in results)
    assert set(first["availability"]) >= {"time_based", "request_based", "capacity_weighted"}
    assert set(first["availability"]["time_based"]) == {
        "estimate", "lower", "upper", "confidence", "n",
    }  # fmt: skip
    total = first["downtime_min_per_year"]["total"]["estimate"]
    causes = first["downtime_min_per_year"]["by_cause"].values()
    assert total == pytest.approx(sum(cause["estimate"] for cause in causes))
    assert 0 <= first["probability_to_miss"]["estimate"] <= 1
    assert first["spares"][0]["setting"] == "0 in stock"
    run = load_run(tmp_path / first["run"])
    assert run.record.kind == "availability"
    assert len(run.table("years")) == 40
    assert first.pop("run") != second.pop("run")
    assert {key: first[key] for key in second} == second, "a question changes no other answer"


def test_a_question_that_does_not_fit_is_refused() -> None:
    design = load_design("mac-mini-cluster")
    with pytest.raises(InputError, match="no failure mode 'moon'"):
        repairs(design, "moon")
    with pytest.raises(InputError, match="what a spare brings"):
        spares(design, "wan")
    with pytest.raises(InputError, match="none to choose"):
        leases(design)


def test_a_sure_figure_has_no_range_to_draw_from() -> None:
    with pytest.raises(ValueError, match="low ≤ typical ≤ high"):
        Range(low=2, typical=1, high=3, source="test")
