"""The timeline's content, and that its drawing is repeatable."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from evidence import Run, list_runs
from reports.bullet import bullet
from reports.findings import findings, picture_of, telling_trial
from reports.milestones import milestones
from reports.picture import Timeline, in_words
from reports.timeline import svg
from tests.reports.fixtures import HELD_SO_FAR, REFUTED, local_design


def picture(root: Path) -> tuple[Timeline, Run]:
    found = findings(list_runs(root), local_design())
    trial = telling_trial(found.trials)
    assert trial is not None
    return picture_of(trial, found.judgements), trial.run


def test_the_milestones_are_the_first_events_of_their_kind_after_landing() -> None:
    events = pd.DataFrame(
        [
            (90.0, "haproxy api", "mac-1 UP", ""),
            (95.0, "haproxy database", "mac-2 DOWN", ""),
            (104.5, "haproxy api", "mac-1 UP 1/3", ""),
            (105.0, "haproxy api", "mac-1 DOWN", ""),
            (106.0, "haproxy database", "mac-1 DOWN", ""),
            (116.0, "patroni mac-2", "primary", ""),
            (117.0, "haproxy database", "mac-2 UP", ""),
            (150.0, "patroni mac-2", "primary", "timeline 3"),
        ],
        columns=["time_s", "source", "event", "detail"],
    )
    found = [(m.time_s, m.text) for m in milestones(events, 100.0, restored_s=140.0)]
    assert found == [
        (0.0, "fault landed"),
        (5.0, "balancer takes the API out"),
        (6.0, "balancer takes the database out"),
        (16.0, "standby promoted"),
        (17.0, "balancer sees the new primary"),
        (40.0, "site started again"),
    ]


def test_the_milestones_are_those_of_the_balancer_that_clients_go_through() -> None:
    events = pd.DataFrame(
        [
            (90.0, "haproxy shared-address at edge", "held-here UP", "L7OK"),
            (90.0, "haproxy shared-address at edge-2", "held-here DOWN", "L7STS"),
            (90.0, "haproxy api at edge", "mac-1 UP", ""),
            (90.1, "haproxy api at edge-2", "mac-1 UP", ""),
            (103.2, "haproxy shared-address at edge-2", "held-here UP", "L7OK"),
            (107.0, "haproxy api at edge", "mac-1 DOWN", ""),
            (109.0, "haproxy api at edge-2", "mac-1 DOWN", ""),
        ],
        columns=["time_s", "source", "event", "detail"],
    )
    found = [(round(m.time_s, 1), m.text) for m in milestones(events, 100.0)]
    assert found == [
        (0.0, "fault landed"),
        (3.2, "other balancer takes the address"),
        (9.0, "balancer takes the API out"),
    ]


def test_every_attempt_in_the_span_is_in_the_picture(roots: dict[str, Path]) -> None:
    shown, run = picture(roots["refuted"])
    requests = run.table("requests")
    zero_s = float(run.table("faults")["landed_s"].iloc[0])
    inside = (requests["finished_s"] - zero_s >= shown.from_s) & (
        requests["sent_s"] - zero_s <= shown.to_s
    )
    assert len(shown.attempts) == int(inside.sum())
    assert shown.to_s > REFUTED.write_s


def test_the_words_for_the_blind_give_the_measured_recoveries(roots: dict[str, Path]) -> None:
    shown, _ = picture(roots["held-so-far"])
    said = in_words(shown).replace("\u00a0", " ")
    assert f"Writing a note: served again after {shown.measured_s['write']:#.3g} s." in said
    assert f"{HELD_SO_FAR.detected_s:#.3g} s balancer takes the API out" in said


def test_the_same_picture_is_drawn_the_same_and_ids_of_two_never_meet(
    roots: dict[str, Path],
) -> None:
    shown, _ = picture(roots["held-so-far"])
    wide, again = svg(shown, "wide", name="w"), svg(shown, "wide", name="w")
    narrow = svg(shown, "narrow", name="n")
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (wide, narrow)]
    assert wide == again
    assert not ids[0] & ids[1]
    used = set(re.findall(r'href="#([^"]+)"', wide)) | set(re.findall(r"url\(#([^)]+)\)", wide))
    assert used <= ids[0]


def test_a_busy_picture_stays_small(roots: dict[str, Path]) -> None:
    shown, _ = picture(roots["refuted"])
    assert len(shown.attempts) > 2_500
    assert len(svg(shown, "wide")) < 400_000


def test_a_bullet_says_in_words_what_it_shows() -> None:
    text = bullet(None, None, 30, "s").replace("\u00a0", " ")
    assert 'aria-label="promised 30 s, not predicted, not measured"' in text
