"""Failure biasing finds probabilities that plain simulation never sees."""

from __future__ import annotations

from scipy import stats

from simulator.availability import textbook
from simulator.availability.biasing import unavailability
from simulator.availability.chain import explore
from simulator.availability.exact import ExactModel
from tests.availability.conftest import Ready

CYCLES = 4_000


def test_intervals_cover_an_unavailability_of_one_in_a_billion_as_often_as_they_say() -> None:
    """95 % intervals of 100 seeds: fewer covers have probability 0.001 if they are right."""
    numbers = textbook.numbers(3, 1 / 10_000, 1 / 10)
    chain = explore(textbook.Redundant.of(3))
    exact = textbook.k_of_n(1, 3, 1 / 10_000, 1 / 10)
    assert exact < 1.1e-9
    made = [unavailability(chain, numbers, cycles=CYCLES, seed=seed) for seed in range(100)]
    covered = sum(estimate.covers(exact) for estimate in made)
    assert covered >= stats.binom.ppf(0.001, 100, 0.95)
    assert all(0.7 < estimate.estimate / exact < 1.4 for estimate in made)


def test_without_biasing_the_same_number_of_cycles_sees_nothing() -> None:
    numbers = textbook.numbers(3, 1 / 10_000, 1 / 10)
    chain = explore(textbook.Redundant.of(3))
    assert unavailability(chain, numbers, cycles=CYCLES, seed=1, bias=0).estimate == 0


def test_uncovered_failures_are_weighed_rightly_too() -> None:
    numbers = textbook.numbers(
        2, 1e-5, 0.1, {"by-hand": 1.0}, {"covered": 0.999, "uncovered": 0.001}
    )
    exact = textbook.parallel_with_coverage(1e-5, 0.1, 0.999, 1.0)
    chain = explore(textbook.Covered.of(2))
    made = unavailability(chain, numbers, cycles=40_000, seed=3, confidence=0.999)
    assert made.covers(exact)
    assert made.upper - made.lower < exact


def test_a_hospitals_silence_is_met(ready: Ready) -> None:
    exact = ExactModel(ready())
    numbers = exact.numbers()
    made = unavailability(exact.chain, numbers, cycles=40_000, seed=4, confidence=0.999)
    assert made.covers(exact.solve(numbers).unavailability)
