"""NEWS2 against its published chart; trends and anomalies against known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.api.early_warning import NEEDED, news2
from reference_stack.api.trends import anomalies, trend

WELL: dict[str, float | str] = {
    "respiratory_rate": 16, "oxygen_saturation": 98, "systolic_pressure": 120,
    "heart_rate": 70, "temperature": 37.0, "consciousness": "A",
}  # fmt: skip

# Chart 1 of the Royal College of Physicians: each band's two ends and its score.
CHART: list[tuple[str, list[tuple[float, int]]]] = [
    ("respiratory_rate", [(8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3)]),
    ("oxygen_saturation", [(91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0)]),
    ("systolic_pressure", [(90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0),
                           (220, 3)]),
    ("heart_rate", [(40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1), (111, 2),
                    (130, 2), (131, 3)]),
    ("temperature", [(35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0), (38.0, 0), (38.1, 1), (39.0, 1),
                     (39.1, 2)]),
    ("inhaled_oxygen", [(0, 0), (2, 2)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sign", "value", "score"),
    [(sign, value, score) for sign, bands in CHART for value, score in bands],
)
def test_each_band_scores_as_the_chart_says(sign: str, value: float, score: int) -> None:
    warning = news2({**WELL, sign: value})
    assert warning is not None
    assert (warning.score, warning.parts[sign]) == (score, score)


@pytest.mark.parametrize("word", ["C", "V", "P", "U"])
def test_whoever_is_not_alert_scores_three(word: str) -> None:
    warning = news2({**WELL, "consciousness": word})
    assert warning is not None
    assert (warning.score, warning.risk) == (3, "low-medium")


@pytest.mark.parametrize(
    ("changes", "score", "risk"),
    [
        ({}, 0, "low"),
        ({"heart_rate": 95, "temperature": 38.5}, 2, "low"),
        ({"heart_rate": 120, "respiratory_rate": 22, "temperature": 38.5}, 5, "medium"),
        ({"heart_rate": 120, "respiratory_rate": 26, "inhaled_oxygen": 2}, 7, "high"),
    ],
)
def test_the_risk_follows_from_the_score(changes: dict[str, float], score: int, risk: str) -> None:
    warning = news2({**WELL, **changes})
    assert warning is not None
    assert (warning.score, warning.risk) == (score, risk)


@pytest.mark.parametrize("sign", NEEDED)
def test_no_score_is_made_up_from_an_incomplete_set(sign: str) -> None:
    assert news2({name: value for name, value in WELL.items() if name != sign}) is None


def test_the_slope_of_a_line_is_found_in_spite_of_a_wrong_reading() -> None:
    hours = np.arange(20.0)
    values = 60 + 1.5 * hours
    values[7] = 300
    found = trend(hours, values)
    assert found.slope_per_h == pytest.approx(1.5)
    assert found.direction == "rising"
    assert anomalies(values - 1.5 * hours).tolist() == [index == 7 for index in range(20)]


def test_the_slopes_interval_covers_the_truth_as_often_as_it_says() -> None:
    """1,000 series of 24 readings: 95 % ± 3.9 standard errors (0.69 %) fail once in 10,000."""
    rng = np.random.default_rng(4)
    hours = np.arange(24.0)
    covered = 0
    for _ in range(1000):
        found = trend(hours, 80 - 0.5 * hours + rng.normal(0, 3, 24))
        assert found.lower_per_h is not None
        assert found.upper_per_h is not None
        covered += found.lower_per_h <= -0.5 <= found.upper_per_h
    assert abs(covered / 1000 - 0.95) < 3.9 * 0.0069


@given(st.lists(st.floats(0, 300), max_size=4))
def test_few_readings_give_neither_trend_nor_anomaly(values: list[float]) -> None:
    array = np.array(values)
    assert trend(np.arange(len(values), dtype=float), array).direction == "unknown"
    assert not anomalies(array).any()


@given(st.floats(20, 200), st.integers(5, 50))
def test_equal_readings_are_steady_and_none_is_odd(value: float, count: int) -> None:
    values = np.full(count, value)
    assert trend(np.arange(count, dtype=float), values).direction == "steady"
    assert not anomalies(values).any()
