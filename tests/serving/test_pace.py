"""The advice when to come back."""

import pytest

from reference_stack.serving.pace import Pace


def test_without_experience_each_piece_of_work_counts_a_second() -> None:
    assert Pace().retry_after_s(3) == 3


def test_steady_work_is_known_and_newer_work_counts_more() -> None:
    pace = Pace()
    for _ in range(5):
        pace.learn(0.5)
    assert pace.retry_after_s(4) == pytest.approx(2.0)
    for _ in range(30):
        pace.learn(2.0)
    assert pace.retry_after_s(4) == pytest.approx(8.0, rel=0.01)


def test_nobody_is_sent_away_for_more_than_a_minute() -> None:
    pace = Pace()
    pace.learn(100)
    assert pace.retry_after_s(10) == 60
