"""What the chat's probe is evidence of: its recovery, and nobody's wait."""

from __future__ import annotations

from dataclasses import replace

from chaos.measures import recovery, waits
from load.attempt import Attempt
from load.settings import PROBE_JOURNEY
from tests.chaos.hand_made import LANDED_S, attempt, table


def probe(sent_s: float, finished_s: float, outcome: str = "ok") -> Attempt:
    return replace(
        attempt(sent_s, finished_s, outcome, operation="chat"),  # type: ignore[arg-type]
        journey=PROBE_JOURNEY,
    )


def test_a_chat_that_only_one_clinician_asked_recovers_by_its_probe() -> None:
    lonely = attempt(LANDED_S + 1.0, LANDED_S + 14.0, operation="chat")
    assert recovery(table(lonely), "chat", LANDED_S, 200.0).state == "no evidence"
    down = [probe(LANDED_S + 2.0 * n, LANDED_S + 2.0 * n + 3.0, "unknown") for n in range(5)]
    up = [probe(LANDED_S + 10.0 + 2.0 * n, LANDED_S + 11.0 + 2.0 * n) for n in range(20)]
    found = recovery(table(*down, lonely, *up), "chat", LANDED_S, 200.0)
    assert (found.state, found.time_s) == ("recovered", 11.0)


def test_a_probe_that_fails_within_the_window_undoes_the_recovery() -> None:
    up = [probe(LANDED_S + 10.0 + 2.0 * n, LANDED_S + 11.0 + 2.0 * n) for n in range(20)]
    relapse = replace(up[3], outcome="failed")
    found = recovery(table(*up[:3], relapse, *up[4:]), "chat", LANDED_S, 200.0)
    assert found.time_s == up[4].finished_s - LANDED_S


def test_nobody_waits_for_a_probe() -> None:
    asked = attempt(LANDED_S - 1.0, LANDED_S + 12.0, operation="chat")
    hung = probe(LANDED_S - 0.5, LANDED_S + 9.0, "unknown")
    felt = waits(table(asked, hung), "chat", LANDED_S, LANDED_S + 12.0)
    assert (felt.requests, felt.unanswered) == (1, 0)
