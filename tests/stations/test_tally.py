"""Tallies: exact moments always, exact quantiles at first, close ones for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.stations import Tally

SHARES = [0.5, 0.95, 0.99, 0.999]


def test_few_values_have_exact_quantiles() -> None:
    tally = Tally()
    for value in (3.0, 1.0, 2.0):
        tally.add(value)
    assert tally.quantiles([0.5]) == [2.0]
    assert tally.mean == 2.0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_folded_values_keep_moments_and_quantiles_within_a_thousandth(scale: float) -> None:
    values = np.random.default_rng(1).lognormal(0.0, 1.5, 120_000) * scale
    tally = Tally()
    for value in values.tolist():
        tally.add(value)
    assert len(tally.kept) < len(values)
    assert tally.count == len(values)
    assert tally.mean == pytest.approx(values.mean(), rel=1e-12)
    assert tally.quantiles(SHARES) == pytest.approx(np.quantile(values, SHARES), rel=2e-3)


def test_nothing_is_known_of_no_values() -> None:
    tally = Tally()
    assert math.isnan(tally.mean)
    assert all(map(math.isnan, tally.quantiles(SHARES)))


def test_zeros_are_values() -> None:
    tally = Tally()
    for _ in range(60_000):
        tally.add(0.0)
    assert tally.quantiles([0.5]) == [0.0]
