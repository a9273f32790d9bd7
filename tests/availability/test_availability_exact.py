"""The exact solver gives the closed forms, at every scale of rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.availability import chain as chain_module
from simulator.availability import textbook
from simulator.availability.chain import explore, gth
from simulator.availability.exact import ExactModel
from tests.availability.conftest import Ready
from tests.availability.systems import SYSTEMS

rates = st.floats(1e-7, 1e2)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_solver_gives_the_closed_form(name: str) -> None:
    system = SYSTEMS[name]
    solved = explore(system.plant).solve(system.numbers)
    assert solved.unavailability == pytest.approx(system.unavailability, rel=1e-12)


@given(failure=rates, repair=rates)
@settings(max_examples=50, deadline=None)
def test_rare_outages_keep_their_digits(failure: float, repair: float) -> None:
    exact = textbook.k_of_n(1, 3, failure, repair)
    solved = explore(textbook.Redundant.of(3)).solve(textbook.numbers(3, failure, repair))
    assert solved.unavailability == pytest.approx(exact, rel=1e-10)


@given(failure=rates, repair=rates, by_hand=rates, coverage=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_coverage_and_switching_hold_for_all_rates(
    failure: float, repair: float, by_hand: float, coverage: float
) -> None:
    figures = textbook.numbers(
        2, failure, repair, {"by-hand": by_hand}, {"covered": coverage, "uncovered": 1 - coverage}
    )
    covered = explore(textbook.Covered.of(2)).solve(figures).unavailability
    expected = textbook.parallel_with_coverage(failure, repair, coverage, by_hand)
    assert covered == pytest.approx(expected, rel=1e-6)
    standby = explore(textbook.ColdStandby.of(2)).solve(figures).unavailability
    expected = textbook.cold_standby(failure, repair, coverage, by_hand)
    assert standby == pytest.approx(expected, rel=1e-6)


def test_frequency_and_mean_length_of_outages_are_those_of_a_single_unit() -> None:
    solved = explore(textbook.Redundant.of(1)).solve(textbook.numbers(1, 1 / 100, 1 / 5))
    assert solved.outages_per_h == pytest.approx(1 / 105)
    assert solved.mean_outage_h == pytest.approx(5)


def test_the_sparse_solver_agrees_with_elimination_without_subtractions(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ready("mac-mini-cluster")
    exact = ExactModel(model)
    sparse = exact.solve()
    monkeypatch.setattr(chain_module, "DENSE_STATES", 10**6)
    dense = exact.solve()
    assert sparse.shares == pytest.approx(dense.shares, rel=1e-8, abs=1e-30)


def test_truncation_is_far_below_what_is_reported(ready: Ready) -> None:
    model = ready("mac-mini-cluster")
    exact = ExactModel(model)
    further = explore(model.plant, max_down=3).solve(exact.numbers()).unavailability
    assert exact.solve().unavailability == pytest.approx(further, rel=1e-4)


def test_states_that_the_figures_never_reach_have_no_share() -> None:
    matrix = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert gth(matrix) == pytest.approx([0.6, 0.4, 0.0])
