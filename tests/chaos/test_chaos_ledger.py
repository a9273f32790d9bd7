"""Lost, unknown, refused: the set checker on ledgers made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.ledger import keep_snapshot, mark_found, with_snapshot
from chaos.measures import reconcile
from load.tables import LEDGER_TYPES
from tests.chaos.hand_made import LANDED_S, ledger

NAN = math.nan


def test_acknowledged_and_not_found_is_lost_and_rpo_reaches_back_to_the_oldest() -> None:
    rows = [
        ("acknowledged", 90.0, True),
        ("acknowledged", 97.5, False),
        ("acknowledged", 99.0, False),
    ]
    counted = reconcile(ledger(rows), LANDED_S)
    assert (counted.lost, counted.rpo_s) == (2, 2.5)


def test_an_unknown_write_is_never_lost_found_or_not() -> None:
    rows = [("acknowledged", 90.0, True), ("unknown", NAN, False), ("unknown", NAN, True)]
    counted = reconcile(ledger(rows), LANDED_S)
    assert (counted.lost, counted.unknown, counted.unknown_found) == (0, 2, 1)
    assert counted.rpo_s == 0.0


def test_a_refused_write_that_is_found_is_reported_and_not_lost() -> None:
    rows = [("acknowledged", 90.0, True), ("refused", NAN, True)]
    counted = reconcile(ledger(rows), LANDED_S)
    assert (counted.lost, counted.refused, counted.refused_found) == (0, 1, 1)


def test_a_write_acknowledged_after_the_landing_and_lost_counts_as_lost() -> None:
    rows = [("acknowledged", 90.0, True), ("acknowledged", 120.0, False)]
    counted = reconcile(ledger(rows), LANDED_S)
    assert (counted.lost, counted.rpo_s) == (1, 0.0)


def test_a_ledger_that_was_not_read_says_nothing_of_loss() -> None:
    counted = reconcile(ledger([("acknowledged", 90.0, None)]), LANDED_S)
    assert counted.acknowledged == 1
    assert (counted.lost, counted.rpo_s, counted.unknown_found) == (None, None, None)


def test_no_writes_at_risk_means_no_rpo() -> None:
    assert reconcile(ledger([]), LANDED_S).rpo_s is None
    assert reconcile(ledger([("acknowledged", 101.0, True)]), LANDED_S).rpo_s is None
    assert reconcile(ledger([("unknown", NAN, True)]), LANDED_S).rpo_s is None


def test_no_landing_means_no_rpo_but_lost_is_lost() -> None:
    counted = reconcile(ledger([("acknowledged", 90.0, False)]), NAN)
    assert (counted.lost, counted.rpo_s) == (1, None)


def test_found_is_what_the_database_holds() -> None:
    marked = mark_found(ledger([("acknowledged", 90.0, None), ("unknown", NAN, None)]), {"1"})
    assert marked["found"].tolist() == [False, True]


outcomes = st.sampled_from(["acknowledged", "unknown", "refused"])
rows = st.lists(st.tuples(outcomes, st.floats(0, 200), st.booleans()), min_size=1, max_size=50)


@settings(max_examples=50, deadline=None)
@given(rows)
def test_every_note_is_counted_once_and_the_lost_are_acknowledged(
    made: list[tuple[str, float, bool]],
) -> None:
    counted = reconcile(ledger(made), LANDED_S)
    assert counted.acknowledged + counted.unknown + counted.refused == len(made)
    found = sum(found for outcome, _, found in made if outcome == "acknowledged")
    assert counted.lost == counted.acknowledged - found


@settings(max_examples=50, deadline=None)
@given(rows)
def test_rpo_is_zero_exactly_when_nothing_at_risk_was_lost(
    made: list[tuple[str, float, bool]],
) -> None:
    counted = reconcile(ledger(made), LANDED_S)
    at_risk = [s for outcome, s, _ in made if outcome == "acknowledged" and s < LANDED_S]
    lost = [s for outcome, s, found in made if outcome == "acknowledged" and not found]
    if not at_risk:
        assert counted.rpo_s is None
    else:
        assert counted.rpo_s == pytest.approx(max([0.0, *(LANDED_S - s for s in lost)]))


def test_what_the_way_back_brings_in_again_was_lost_all_the_same(tmp_path: Path) -> None:
    ledger = mark_found(hand_made_ledger([("a", 10.0), ("b", 20.0), ("c", 40.0)]), {"a", "b", "c"})
    snapshot = tmp_path / "found.json"
    keep_snapshot(snapshot, {"a"})
    judged, brought_back = with_snapshot(ledger, snapshot, landed_s=30.0)
    assert brought_back == 1
    assert judged.set_index("client_id")["found"].to_dict() == {"a": True, "b": False, "c": True}
    account = reconcile(judged, 30.0)
    assert (account.lost, account.rpo_s) == (1, 10.0)
    untouched, none = with_snapshot(ledger, tmp_path / "none.json", landed_s=30.0)
    assert none == 0
    pd.testing.assert_frame_equal(untouched, ledger)


def hand_made_ledger(notes: list[tuple[str, float]]) -> pd.DataFrame:
    rows = [
        {
            "client_id": name, "writer": 1, "sequence": number, "intended_s": acknowledged_s - 1,
            "sent_s": acknowledged_s - 1, "acknowledged_s": acknowledged_s,
            "outcome": "acknowledged", "found": pd.NA,
        }
        for number, (name, acknowledged_s) in enumerate(notes)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(LEDGER_TYPES)).astype(LEDGER_TYPES)
