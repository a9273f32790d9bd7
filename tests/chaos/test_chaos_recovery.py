"""Recovery as clients see it, on tables made by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.measures import SUSTAIN_S, Operation, Recovery, recovery, waits
from tests.chaos.hand_made import LANDED_S, attempt, steady, table

LONG_AFTER_S = 1000.0


def seen(requests: pd.DataFrame, operation: Operation) -> tuple[str, float | None]:
    found = recovery(requests, operation, LANDED_S, LONG_AFTER_S)
    return found.state, found.time_s


def test_rto_is_from_the_landing_to_the_end_of_the_first_lasting_success() -> None:
    requests = table(*steady(101, 112, "unknown"), *steady(113, 140))
    assert seen(requests, "write") == ("recovered", 13.125)


def test_a_success_that_is_followed_by_failures_is_not_recovery() -> None:
    requests = table(attempt(103, 104), attempt(108, 109, "refused"), *steady(115, 140))
    assert seen(requests, "write") == ("recovered", 15.125)


def test_an_answer_that_was_on_its_way_when_the_fault_landed_is_not_recovery() -> None:
    requests = table(attempt(99.9, 100.2), *steady(105, 130))
    assert seen(requests, "write") == ("recovered", 5.125)


def test_a_failure_sent_before_the_recovery_and_noticed_after_it_does_not_count() -> None:
    requests = table(attempt(101, 119, "unknown"), *steady(115, 140))
    assert seen(requests, "write") == ("recovered", 15.125)


def test_a_failure_sent_within_the_window_counts_even_if_it_is_noticed_after_it() -> None:
    requests = table(*steady(110, 119), attempt(112.5, 160, "unknown"), *steady(120, 140))
    assert seen(requests, "write") == ("recovered", 13.125)


def test_one_success_alone_is_no_evidence() -> None:
    requests = table(attempt(105, 106), attempt(106 + SUSTAIN_S + 1, 118))
    assert seen(requests, "write") == ("no evidence", None)


def test_a_window_that_the_load_did_not_live_to_see_is_unobserved() -> None:
    requests = table(*steady(105, 110))
    assert recovery(requests, "write", LANDED_S, until_s=110.5) == Recovery("unobserved")


def test_without_any_request_nothing_recovered() -> None:
    assert recovery(table(), "write", LANDED_S, LONG_AFTER_S) == Recovery("never")


def test_without_a_confirmed_fault_there_is_no_rto() -> None:
    requests = table(*steady(105, 130))
    assert recovery(requests, "write", math.nan, LONG_AFTER_S) == Recovery("no fault")


def test_a_recovery_that_nobody_was_there_to_see_is_only_bounded_from_above() -> None:
    requests = table(attempt(101, 104, "unknown"), *steady(115, 140))
    bounded = Recovery("no evidence", idle_s=11.0, at_most_s=15.125)
    assert recovery(requests, "write", LANDED_S, LONG_AFTER_S) == bounded


def test_a_request_in_flight_is_somebody_trying() -> None:
    requests = table(attempt(99, 115, "unknown"), *steady(116, 140))
    assert recovery(requests, "write", LANDED_S, LONG_AFTER_S) == Recovery("recovered", 16.125, 1.0)


def test_other_operations_do_not_count() -> None:
    reads = [attempt(101 + i, 101.125 + i, operation="lookup") for i in range(30)]
    requests = table(*reads, *steady(101, 130, "unknown"))
    assert recovery(requests, "read", LANDED_S, LONG_AFTER_S).time_s == 1.125
    assert seen(requests, "write") == ("never", None)


def test_a_request_that_hung_from_before_the_fault_counts_by_its_intended_time() -> None:
    hung = [
        attempt(98, 108, "unknown", request_id="hung", intended_s=98),
        attempt(109, 117, "ok", request_id="hung", intended_s=98),
    ]
    requests = table(*hung, attempt(90, 91), attempt(116, 116.5), attempt(130, 131))
    felt = waits(requests, "write", LANDED_S, recovered_s=117.0)
    assert felt.longest_s == 19.0
    assert felt.requests == 2  # those before and after the outage are not touched by it


def test_a_request_that_is_never_answered_has_no_wait_but_is_counted() -> None:
    requests = table(attempt(101, 111, "unknown"), attempt(105, 106))
    felt = waits(requests, "write", LANDED_S, recovered_s=106.0)
    assert (felt.requests, felt.unanswered, felt.longest_s) == (2, 1, 1.0)


attempts = st.lists(
    st.builds(
        attempt,
        st.floats(95, 150),
        st.just(0.0),
        st.sampled_from(["ok", "unknown", "refused", "failed"]),
    ).map(lambda a: attempt(a.sent_s, a.sent_s + 0.5, a.outcome)),
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(attempts, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(found: list, random: Any) -> None:  # type: ignore[type-arg]
    mixed = list(found)
    random.shuffle(mixed)
    straight = recovery(table(*found), "write", LANDED_S, LONG_AFTER_S)
    assert recovery(table(*mixed), "write", LANDED_S, LONG_AFTER_S) == straight


@settings(max_examples=50, deadline=None)
@given(attempts, st.floats(100.5, 150))
def test_one_more_failure_never_makes_recovery_look_earlier(found: list, sent_s: float) -> None:  # type: ignore[type-arg]
    before = recovery(table(*found), "write", LANDED_S, LONG_AFTER_S)
    worse = table(*found, attempt(sent_s, sent_s + 0.5, "unknown"))
    after = recovery(worse, "write", LANDED_S, LONG_AFTER_S)
    if before.time_s is not None and after.time_s is not None:
        assert after.time_s >= before.time_s


@settings(max_examples=50, deadline=None)
@given(attempts)
def test_the_window_after_a_recovery_is_clean_and_covered(found: list) -> None:  # type: ignore[type-arg]
    requests: pd.DataFrame = table(*found)
    seen = recovery(requests, "write", LANDED_S, LONG_AFTER_S)
    if seen.time_s is None:
        return
    end_s = LANDED_S + seen.time_s
    later = requests[(requests["sent_s"] > end_s) & (requests["sent_s"] <= end_s + SUSTAIN_S)]
    assert len(later) > 0
    assert set(later["outcome"]) == {"ok"}
