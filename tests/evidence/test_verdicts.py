"""Verdicts: no evidence is never "held", one counterexample refutes, 59 passes are needed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import Estimate, Outcome, Verdict, exit_code
from evidence.estimate import batch_quantile, mean_interval, trials_needed
from evidence.verdict import Bound, judge_interval, judge_trials

THIRTY_SECONDS = Bound(at_most=30)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(
        objective="B-20.x", title="", verdict=outcome, target="", unit="s", n=1, reason=""
    )


def estimate(lower: float, upper: float) -> Estimate:
    middle = (lower + upper) / 2
    return Estimate(estimate=middle, lower=lower, upper=upper, confidence=0.95, n=10)


def test_ninety_five_percent_at_ninety_five_percent_needs_59_straight_passes() -> None:
    assert trials_needed() == 59
    assert 0.95**59 <= 0.05 < 0.95**58


@pytest.mark.parametrize(
    ("passes", "failures", "outcome"),
    [
        (0, 0, "inconclusive"),
        (1, 0, "inconclusive"),
        (58, 0, "inconclusive"),
        (59, 0, "held"),
        (500, 1, "refuted"),
        (0, 1, "refuted"),
    ],
)
def test_trials_are_judged_by_counterexample_and_count(
    passes: int, failures: int, outcome: str
) -> None:
    values = [12.0] * passes + [31.0] * failures
    assert judge_trials(values, THIRTY_SECONDS)[0] == outcome


def test_an_outage_that_never_ends_or_is_no_number_is_no_pass() -> None:
    assert judge_trials([math.inf], THIRTY_SECONDS)[0] == "refuted"
    assert judge_trials([math.nan], THIRTY_SECONDS)[0] == "refuted"


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [(None, "inconclusive"), ((1, 29), "held"), ((29, 31), "inconclusive"), ((31, 40), "refuted")],
)
def test_an_interval_is_judged_by_both_its_ends(
    interval: tuple[float, float] | None, outcome: str
) -> None:
    found = None if interval is None else estimate(*interval)
    assert judge_interval(found, THIRTY_SECONDS)[0] == outcome


def test_exit_codes_put_refutation_before_doubt_before_success() -> None:
    held, refuted, open_ = verdict("held"), verdict("refuted"), verdict("inconclusive")
    assert exit_code([held, open_, refuted]) == 1
    assert exit_code([held, open_]) == 3
    assert exit_code([held]) == 0
    assert exit_code([]) == 3


@given(st.lists(st.floats(0, 60), max_size=80))
def test_more_trials_never_turn_a_refutation_back(values: list[float]) -> None:
    before = judge_trials(values, THIRTY_SECONDS)[0]
    after = judge_trials([*values, 10.0], THIRTY_SECONDS)[0]
    assert before != "refuted" or after == "refuted"


def test_a_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    """2,000 samples of 8 normal values: coverage is within 4 standard errors of 95 %."""
    generator = np.random.default_rng(7)
    covered = sum(mean_interval(generator.normal(3.0, 2.0, 8)).covers(3.0) for _ in range(2000))
    error = math.sqrt(0.95 * 0.05 / 2000)
    assert abs(covered / 2000 - 0.95) < 4 * error


def test_a_batch_quantile_holds_the_quantile_of_all_values() -> None:
    generator = np.random.default_rng(8)
    times = np.sort(generator.uniform(0, 100, 4000))
    values = generator.exponential(1.0, 4000)
    found = batch_quantile(times, values, 0.95)
    assert found.n == 4000
    assert found.estimate == pytest.approx(np.quantile(values, 0.95))
    assert found.covers(-math.log(0.05))


def test_one_value_says_nothing_about_spread() -> None:
    with pytest.raises(ValueError, match="at least two"):
        mean_interval([1.0])
