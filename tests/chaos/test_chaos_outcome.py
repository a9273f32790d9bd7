"""An outcome says what was seen, and null for what was not."""

from __future__ import annotations

import json
import math

import pytest

from chaos.errors import StackNotWholeError
from chaos.experiment import run_experiment
from chaos.faults import Fault
from chaos.ledger import LedgerUnreadError, read_back
from chaos.outcome import Evidence, client_events, outcome_document
from chaos.steady import describe
from tests.chaos.hand_made import LANDED_S, attempt, ledger, steady, table

POWER_LOSS = Fault("primary-power-loss", "mac-1", LANDED_S - 0.05, LANDED_S, confirmed=True)
KEPT = ledger([("acknowledged", 90.0, True)])


def evidence(**changes: object) -> Evidence:
    plain: dict[str, object] = {
        "experiment": "primary-power-loss",
        "requests": table(*steady(90, 99), *steady(101, 112, "unknown"), *steady(113, 140)),
        "ledger": KEPT,
        "faults": [POWER_LOSS],
        "steady_from_s": 80.0,
        "until_s": 150.0,
        "load_cpu_share": 0.1,
    }
    return Evidence(**{**plain, **changes})  # type: ignore[arg-type]


def test_a_confirmed_fault_with_requests_and_a_ledger_gives_figures() -> None:
    outcome = outcome_document(evidence())
    assert outcome["confirmed"] is True
    assert outcome["rto_s"] == {"read": None, "write": 13.125, "chat": None}
    assert (outcome["lost"], outcome["rpo_s"], outcome["acknowledged"]) == (0, 0.0, 1)
    assert json.loads(json.dumps(outcome, allow_nan=False)) == outcome


@pytest.mark.parametrize(
    "faults", [[], [Fault("primary-power-loss", "mac-1", 99.0)],
               [Fault("primary-power-loss", "mac-1", 99.95, 100.0)]],
)  # fmt: skip
def test_a_fault_that_nobody_saw_in_force_gives_no_figure(faults: list[Fault]) -> None:
    outcome = outcome_document(evidence(faults=faults))
    assert outcome["confirmed"] is False
    assert outcome["rto_s"] == {"read": None, "write": None, "chat": None}
    assert outcome["rpo_s"] is None


def test_an_unread_ledger_gives_no_loss_and_no_rpo() -> None:
    outcome = outcome_document(evidence(ledger=ledger([("acknowledged", 90.0, None)])))
    assert (outcome["lost"], outcome["rpo_s"]) == (None, None)
    assert outcome["acknowledged"] == 1


def test_no_requests_give_no_figure_at_all() -> None:
    outcome = outcome_document(evidence(requests=table(), ledger=ledger([])))
    assert outcome["rto_s"] == {"read": None, "write": None, "chat": None}
    assert (outcome["lost"], outcome["rpo_s"]) == (None, None)


def test_the_timeline_says_when_clients_failed_and_were_served_again() -> None:
    events = [(event.time_s, event.event) for event in client_events(evidence())]
    assert events == [(101.125, "write fails"), (113.125, "write recovered")]


def test_an_unsteady_load_is_described_by_its_commonest_errors() -> None:
    errors = [attempt(1, 2, "refused"), attempt(2, 3, "refused"), attempt(3, 4, "failed")]
    assert "3 × note: " in describe(errors, set())
    assert describe([], {"note"}) == "nobody was served: lookup"


def test_a_stack_that_is_not_whole_is_left_alone() -> None:
    class Degraded:
        def whole(self) -> list[str]:
            return ["mac-2: the database is replica and starting, not sync_standby"]

    with pytest.raises(StackNotWholeError, match="mac-2: the database is replica"):
        run_experiment(
            "primary-power-loss", Degraded(), users=1, seed=1, root=None,  # type: ignore[arg-type]
            progress=print,
        )  # fmt: skip


def test_notes_that_cannot_be_read_back_are_an_error_not_a_loss() -> None:
    with pytest.raises(LedgerUnreadError):
        read_back("postgresql://127.0.0.1:1/none?connect_timeout=1", ["x"], deadline_s=0)
    assert math.isnan(evidence(faults=[]).landed_s)
