"""Simulation against exact answers.

Each comparison is a two-sided t-test over independent replications at an error rate of 0.001; with
some twenty of them a correct simulation fails the module with probability 0.02. Seeds are set, so
that what passes once passes always.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from simulator.availability.exact import LOST, ExactModel
from simulator.availability.lives import Life, variate
from simulator.availability.long_run import Journal, Machine, simulate_plant
from simulator.availability.plant import Numbers, Plant
from simulator.availability.rates import YEAR_H
from simulator.streams import Streams
from tests.availability.conftest import Ready
from tests.availability.systems import SYSTEMS

ERROR_RATE = 0.001
REPLICATIONS = 12


def down_share(journal: Journal) -> float:
    full = np.array([level.full for level in journal.levels])[journal.states]
    return float(journal.spans_h[~full].sum()) / journal.horizon_h


def simulated(plant: Plant, numbers: Numbers, horizon_h: float, seed: int) -> list[float]:
    machine = Machine(plant, numbers)
    return [
        down_share(
            simulate_plant(
                plant, numbers, horizon_h=horizon_h, streams=Streams(seed, n), machine=machine
            )
        )
        for n in range(REPLICATIONS)
    ]


def agrees(values: list[float], expected: float) -> bool:
    return bool(stats.ttest_1samp(values, expected).pvalue > ERROR_RATE)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_simulation_meets_the_closed_form(name: str) -> None:
    system = SYSTEMS[name]
    values = simulated(system.plant, system.numbers, 100_000.0, seed=11)
    assert agrees(values, system.unavailability)
    # The test has teeth: a system a third worse would hardly pass.
    spread = np.std(values, ddof=1) / math.sqrt(REPLICATIONS)
    assert spread < 0.07 * system.unavailability


@pytest.mark.parametrize("kind", ["weibull", "lognormal", "constant"])
def test_only_means_matter_to_independent_units(kind: str) -> None:
    system = SYSTEMS["two-of-three"]
    shaped = replace(
        system.numbers,
        failure=tuple(Life(life.mean_h, "weibull", 2.0) for life in system.numbers.failure),
        repair=tuple(Life(life.mean_h, kind, 1.5) for life in system.numbers.repair),  # type: ignore[arg-type]
    )
    assert agrees(simulated(system.plant, shaped, 100_000.0, seed=12), system.unavailability)


@pytest.mark.parametrize("name", ["dual-m3-ultra", "mac-mini-cluster", "two-member-etcd"])
@pytest.mark.parametrize("shapes", ["exponential", "as-in-the-design"])
def test_a_hospital_simulated_meets_its_markov_chain(ready: Ready, name: str, shapes: str) -> None:
    exact = ExactModel(ready(name))
    numbers = exact.numbers()
    if shapes == "exponential":
        numbers = numbers.exponential()
    plant = exact.model.plant
    values = simulated(plant, numbers, 150 * YEAR_H, seed=13)
    assert agrees(values, exact.solve(numbers).unavailability)


def test_every_measure_of_a_hospital_meets_its_markov_chain(ready: Ready) -> None:
    exact = ExactModel(ready("synchronous-strict"))
    numbers = exact.numbers().exponential()
    solved = exact.solve(numbers)
    plant, machine = exact.model.plant, Machine(exact.model.plant, numbers)
    journals = [
        simulate_plant(
            plant, numbers, horizon_h=100 * YEAR_H, streams=Streams(14, n), machine=machine
        )
        for n in range(REPLICATIONS)
    ]
    for lost in LOST.values():
        values = [
            float(np.array([lost(level) for level in j.levels])[j.states] @ j.spans_h / j.horizon_h)
            for j in journals
        ]
        assert agrees(values, solved.mean(lost))


@pytest.mark.parametrize(
    ("kind", "parameter"),
    [("exponential", 1.0), ("weibull", 0.7), ("weibull", 3.0), ("lognormal", 1.5), ("constant", 1)],
)
def test_times_have_their_mean_and_scale_value_by_value(kind: str, parameter: float) -> None:
    life = Life(7.0, kind, parameter)  # type: ignore[arg-type]
    draw = variate(life, Streams(1, 0), "test")
    twice = variate(life.scaled(2), Streams(1, 0), "test")
    values = [draw() for _ in range(20_000)]
    assert [twice() for _ in range(100)] == pytest.approx([2 * value for value in values[:100]])
    if kind != "constant":
        assert agrees(values, 7.0)


def test_the_same_seed_gives_the_same_journal(ready: Ready) -> None:
    exact = ExactModel(ready())
    numbers, plant = exact.numbers(), exact.model.plant
    runs = [
        simulate_plant(plant, numbers, horizon_h=20 * YEAR_H, streams=Streams(seed, 0))
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(runs[0].times_h, runs[1].times_h)
    assert np.array_equal(runs[0].states, runs[1].states)
    assert not np.array_equal(runs[0].times_h[:20], runs[2].times_h[:20])
