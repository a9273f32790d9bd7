"""Faults on a timetable: outage, takeover, storm, emergency."""

from __future__ import annotations

import pytest

from architecture import Design, load_design
from architecture.errors import InputError
from simulator.figures import Figures
from simulator.hospital import Replication, Scenario, ScheduledFault, parse_fault, run_replication
from simulator.hospital.faults import Relogin, plan_outages
from simulator.streams import Streams


def struck(
    design: Design, figures: Figures, fault: ScheduledFault, *, users: int = 80,
    relogin: Relogin = "emergency", duration_s: float = 600.0, seed: int = 5,
) -> Replication:  # fmt: skip
    scenario = Scenario(
        users, duration_s, 0.0, faults=(fault,), relogin=relogin, timeline=True
    )  # fmt: skip
    return run_replication(design, figures, scenario, Streams(seed, 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("primary-power-loss@600", ScheduledFault("primary-power-loss", 600.0)),
        ("mac-2@10.5+60", ScheduledFault("mac-2", 10.5, 60.0)),
    ],
)
def test_a_fault_is_read_as_it_is_written(
    pair: Design, text: str, expected: ScheduledFault
) -> None:
    assert parse_fault(text, pair) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["primary-power-loss", "fire@600", "mac-1@-5", "mac-1@5+"])
def test_nonsense_is_refused_with_what_is_allowed(pair: Design, text: str) -> None:
    with pytest.raises(InputError, match=r"primary-power-loss, .*mac-1"):
        parse_fault(text, pair)


def test_after_the_primarys_loss_the_standby_serves_and_nothing_is_answered_meanwhile(
    pair: Design, pair_figures: Figures
) -> None:
    fault = ScheduledFault("primary-power-loss", 240.0)
    [outage] = plan_outages(pair, [fault], Streams(5, 0))
    made = struck(pair, pair_figures, fault)
    assert 240 < outage.api_back_s <= outage.writes_back_s < 270
    before, after = made.stations["api mac-1"], made.stations["api mac-2"]
    assert before["utilisation"] > 0
    assert after["utilisation"] > 0
    minutes = made.minutes.set_index("minute")
    assert minutes["failed"][5] > 0
    assert minutes["failed"][8:].sum() == 0
    notes = made.operations.query("operation == 'note'").set_index("minute")["completed"]
    assert notes[8:].mean() == pytest.approx(notes[2:4].mean(), rel=0.5)


def test_logging_in_again_shows_as_logins(pair: Design, pair_figures: Figures) -> None:
    fault = ScheduledFault("primary-power-loss", 240.0)
    again = struck(pair, pair_figures, fault, relogin="always")
    kept = struck(pair, pair_figures, fault, relogin="never")

    def logins(made: Replication) -> int:
        found = made.operations.query("operation == 'login' and minute > 4")
        return int(found["completed"].sum())

    assert logins(kept) == 0
    # Everybody who asks for anything in the six minutes left logs in first.
    assert logins(again) >= 75


def test_the_emergency_serves_fifty_users_and_fewer_functions(
    pair: Design, pair_figures: Figures
) -> None:
    made = struck(pair, pair_figures, ScheduledFault("both-power-loss", 200.0), users=120)
    assert made.turned_away > 0
    assert made.counts.declined > 0
    late = made.operations.query("minute > 5")
    assert set(late["operation"]) <= {"login", "lookup", "note", "chat", "dictation", "alert"}
    assert "lookup" in set(late["operation"])
    assert made.stations["api gcp"]["utilisation"] > 0


def test_with_few_users_the_emergency_turns_nobody_away(
    pair: Design, pair_figures: Figures
) -> None:
    made = struck(pair, pair_figures, ScheduledFault("both-power-loss", 200.0), users=45)
    assert made.turned_away == 0


def test_after_the_emergency_everything_is_offered_again(
    pair: Design, pair_figures: Figures
) -> None:
    fault = ScheduledFault("both-power-loss", 120.0, 240.0)
    made = struck(pair, pair_figures, fault, users=60, duration_s=900)
    late = set(made.operations.query("minute > 10")["operation"])
    assert {"search", "image-analysis", "document-upload"} <= late


def test_losing_a_worker_of_design_a_stops_its_functions_and_no_other(
    cluster: Design, cluster_figures: Figures
) -> None:
    """D-15: worker 1 is the AI, worker 3 search and analytics, worker 2 the only way in."""

    def answered(site: str) -> set[str]:
        fault = ScheduledFault(site, 0.0)
        scenario = Scenario(60, 400.0, 30.0, faults=(fault,), timeline=True)
        made = run_replication(cluster, cluster_figures, scenario, Streams(5, 0))
        return set(made.operations["operation"])

    without_ai, without_data = answered("worker-1"), answered("worker-3")
    assert not {"chat", "dictation", "speech"} & without_ai
    assert {"lookup", "note", "search"} <= without_ai
    assert not {"search", "analytics", "report"} & without_data
    assert {"lookup", "note", "chat"} <= without_data
    assert answered("worker-2") == set()


def test_a_cut_wan_takes_design_a_its_records_and_design_b_nothing(
    pair: Design, pair_figures: Figures, cluster: Design, cluster_figures: Figures
) -> None:
    fault = ScheduledFault("wan-cut", 60.0)
    ours = struck(pair, pair_figures, fault, users=40)
    theirs = struck(cluster, cluster_figures, fault, users=40)
    assert ours.counts.refused == 0
    assert theirs.counts.refused > 0
    late = theirs.operations.query("minute > 2")
    assert not {"lookup", "note"} & set(late["operation"])


def test_exponential_pauses_send_fewer_requests_into_an_outage(pair_figures: Figures) -> None:
    fault = ScheduledFault("both-power-loss", 200.0)

    def arrived(*overrides: str) -> int:
        design = load_design("dual-m3-ultra", overrides)
        return struck(design, pair_figures, fault, users=120).counts.arrived

    constant = arrived()
    growing = arrived(
        "workload.client.retry_multiplier=2", "workload.client.retry_backoff_max_s=30"
    )
    assert growing < constant / 2
