"""Figures in words."""

from __future__ import annotations

import math

import pytest

from evidence import Estimate
from reports import wording


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"), (0.0224, "22.4 ms"), (0.1, "100 ms"), (1.05, "1.05 s"), (17.84, "17.8 s"),
        (45, "45.0 s"), (1234.4, "1 234 s"), (math.inf, "never"),
    ],
)  # fmt: skip
def test_seconds_have_three_figures(value: float, words: str) -> None:
    assert plain(wording.seconds(value)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.895, "89.5 %"), (0.999, "99.9 %"), (0.99701864, "99.7 %"), (0.99938384, "99.938 %"),
        (0.99995249, "99.9952 %"), (1, "100 %"),
    ],
)  # fmt: skip
def test_a_share_near_all_shows_what_is_missing(value: float, words: str) -> None:
    assert plain(wording.share(value)) == words


@pytest.mark.parametrize(
    ("bound", "unit", "words"),
    [
        ("≤ 30", "s", "≤ 30 s"), ("≤ 0.1", "s", "≤ 100 ms"), ("≤ 300", "s", "≤ 5 min"),
        ("≤ 7200", "s", "≤ 2 h"), ("≤ 60", "s", "≤ 60 s"), ("≤ 0", "notes", "0 notes"),
        ("≥ 0.999", "of the time", "≥ 99.9 %"),
    ],
)  # fmt: skip
def test_a_target_is_written_as_its_author_would(bound: str, unit: str, words: str) -> None:
    assert plain(wording.target(bound, unit)) == words


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (11.7, 22.2, "11.7 to 22.2 s"), (0.9, 1.1, "900 ms to 1.10 s"), (0, 2.7, "0 to 2.70 s"),
        (5, 5, "5.00 s"), (3, math.inf, "3.00 s to never"),
    ],
)  # fmt: skip
def test_an_interval_names_its_unit_once_where_it_can(
    lower: float, upper: float, words: str
) -> None:
    estimate = Estimate(estimate=lower, lower=lower, upper=upper, confidence=0.95, n=3)
    assert plain(wording.interval(estimate, "s")) == words
