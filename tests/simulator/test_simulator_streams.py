"""Random streams and the intervals made of what they give.

Means and spreads may be off by `Z` standard errors of 200,000 values: one true sampler in 16,000
seeds fails (normal, two-sided). The seeds are fixed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from architecture.values import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Range,
    Uniform,
)
from simulator.statistics import central, one_more, replicate, summarise
from simulator.streams import Streams, in_blocks, sample

Z = 4.0


@pytest.mark.parametrize(
    ("distribution", "deviation"),
    [
        (Constant(kind="constant", value=3), 0.0),
        (Exponential(kind="exponential", mean=3), 3.0),
        (Lognormal(kind="lognormal", mean=3, cv=0.8), 2.4),
        (Gamma(kind="gamma", mean=3, cv=0.5), 1.5),
        (Uniform(kind="uniform", low=1, high=5), 4 / math.sqrt(12)),
        (Empirical(kind="empirical", values=(1.0, 5.0)), 2.0),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_samples_have_the_mean_and_spread_the_design_states(
    distribution: Distribution, deviation: float
) -> None:
    values = sample(distribution, np.random.default_rng(5), 200_000)
    assert abs(values.mean() - 3) <= Z * deviation / math.sqrt(len(values)) + 1e-12
    fourth = float(np.mean((values - values.mean()) ** 4))
    error = math.sqrt(max(fourth - deviation**4, 0.0) / len(values)) + 1e-12
    assert abs(values.var() - deviation**2) <= Z * error


def test_a_stream_depends_on_seed_replication_and_source_only() -> None:
    def first(seed: int, replication: int, source: str) -> float:
        return Streams(seed, replication).uniform(source)()

    drawn = {
        first(seed, replication, source)
        for seed in (1, 2)
        for replication in (0, 1)
        for source in ("think", "service")
    }
    assert len(drawn) == 8
    assert first(1, 0, "think") == first(1, 0, "think")


def test_blocks_give_the_same_values_as_one_array() -> None:
    variate = in_blocks(np.random.default_rng(3).random, block=7)
    assert [variate() for _ in range(50)] == np.random.default_rng(3).random(50).tolist()


def test_an_uncertain_figure_stays_in_its_range_and_a_known_one_is_itself() -> None:
    figure = Range(low=1, typical=2, high=5, source="set by the test")
    drawn = [Streams(1, replication).within("figure", figure) for replication in range(200)]
    assert 1 <= min(drawn) < 1.6
    assert 4 < max(drawn) <= 5
    point = Range(low=2, typical=2, high=2, source="set by the test")
    assert Streams(1, 0).within("figure", point) == 2


def test_prediction_interval_covers_one_further_value_as_often_as_it_says() -> None:
    """4,000 intervals from ten lognormal values each: a true 95 % fails once in 16,000 seeds."""
    random = np.random.default_rng(8)
    trials = 4000
    covered = 0
    for _ in range(trials):
        *values, further = random.lognormal(0.0, 0.7, 11).tolist()
        estimate = one_more(values)
        assert estimate is not None
        covered += estimate.covers(further)
    error = math.sqrt(0.95 * 0.05 / trials)
    assert abs(covered / trials - 0.95) <= Z * error


def test_outages_without_end_keep_the_other_quantiles_finite() -> None:
    estimate = central([1.0] * 40 + [2.0] * 50 + [math.inf] * 10)
    assert (estimate.lower, estimate.estimate, estimate.upper) == (1.0, 2.0, math.inf)


def test_nothing_observed_is_not_a_number_and_makes_no_interval() -> None:
    assert math.isnan(summarise([])["p95"])
    assert one_more([math.nan, 1.0]) is None


def test_replications_stop_when_they_are_enough_or_too_many() -> None:
    enough = replicate(lambda n: n, at_least=3, at_most=10, enough=lambda made: len(made) >= 5)
    assert enough == [0, 1, 2, 3, 4]
    never = replicate(lambda n: n, at_least=3, at_most=10, enough=lambda _made: False)
    assert len(never) == 10
    with pytest.raises(ValueError, match="at_least"):
        replicate(lambda n: n, at_least=1, at_most=10, enough=lambda _made: True)
