"""Both nodes die, the cloud takes over, the hospital comes back: on the real stack, with a ledger.

Two primaries at once, or one acknowledged note lost, fail every test here. The tests follow each
other on one stack and leave it whole.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_stack.bringup import wait_until_whole
from reference_stack.errors import StackError
from reference_stack.fallback.by_hand import ByHand
from reference_stack.fallback.crash_points import HONOURED_FILE, WANTED_FILE
from reference_stack.fallback.journal import entries
from reference_stack.fallback.operator import ControllerAwayError, Controls
from reference_stack.fallback.state import STEPS
from reference_stack.fallback.switchover import switch_over
from reference_stack.handle import StackHandle
from reference_stack.rendering import DATABASE_USER, database_url
from tests.fallback.conftest import tell
from tests.fallback.ledger import Ledger, Primaries, application_url, site_dsn

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

NODES = ("mac-1", "mac-2")
CLOUD = "gcp"
# B-20 allows 5 min, detection included. The stack aims at 60 s, which is for the benchmark too.
PROMOTION_S = 300.0
RPO_S = 60.0
SITE_RPO_S = 300.0
# B-19 allows 30 s for a planned move. The stack aims at 3 s, and at 10 s for the way back: that is
# for the benchmark to judge on a quiet machine, as a busy one must not fail a test.
PLANNED_PAUSE_S = 30.0


class Emergency:
    """One stack under writes, watched for a second primary."""

    def __init__(self, stack: StackHandle) -> None:
        self.stack = stack
        self.controls = Controls(stack, tell)
        self.ledger = Ledger(application_url(stack)).start()
        self.primaries = Primaries(stack, (*NODES, CLOUD)).start()

    def kill_both(self) -> float:
        for node in NODES:
            self.stack.kill(node)
        return time.monotonic()

    def start_both(self) -> None:
        for node in NODES:
            self.stack.start(node)

    def status(self) -> dict[str, Any]:
        try:
            return self.controls.status()
        except ControllerAwayError:
            return {"phase": "away", "unsalvaged": ["?"]}

    def await_status(self, wanted: Callable[[dict[str, Any]], bool], deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        status = self.status()
        while not wanted(status):
            assert time.monotonic() < end, f"waited in vain: {status}"
            time.sleep(0.1)
            status = self.status()

    def await_phase(self, phase: str, deadline_s: float) -> None:
        self.await_status(lambda status: status["phase"] == phase, deadline_s)

    def await_primary(self, site: str) -> None:
        end = time.monotonic() + 120
        while self.primaries.now() != [site]:
            assert time.monotonic() < end, f"primaries: {self.primaries.now()}"
            time.sleep(0.1)

    def await_note_after(self, moment_s: float, deadline_s: float) -> float:
        end = time.monotonic() + deadline_s
        while (first := self.ledger.first_sent_after(moment_s)) == float("inf"):
            assert time.monotonic() < end, "nothing could be written any more"
            time.sleep(0.05)
        return first

    def finish(self) -> None:
        """Nothing acknowledged is missing anywhere, and there was never a second primary."""
        self.await_note_after(time.monotonic(), 120)
        self.ledger.stop()
        wait_until_whole(self.stack, tell)
        self.primaries.stop()
        assert self.primaries.rivals() == []
        primary = self.stack.primary()
        assert primary is not None
        acknowledged = self.ledger.acknowledged()
        assert self.ledger.lost(self.stack, primary, acknowledged) == []
        report(acknowledged=len(acknowledged), lost=0, samples={
            site: len(seen) for site, seen in self.primaries.samples.items()
        })  # fmt: skip


def report(**figures: object) -> None:
    sys.stderr.write(f"FIGURES {json.dumps(figures, default=str)}\n")


@pytest.fixture
def emergency(stack: StackHandle) -> Iterator[Emergency]:
    wait_until_whole(stack, tell)
    running = Emergency(stack)
    yield running
    running.ledger.stop()
    running.primaries.stop()


def test_a_switchover_moves_the_primary_with_a_short_pause(stack: StackHandle) -> None:
    wait_until_whole(stack, tell)
    old = stack.primary()
    done = switch_over(stack, None, tell)
    report(switchover=done.model_dump())
    assert (done.from_site, stack.primary()) == (old, done.to_site)
    assert done.write_outage_s < PLANNED_PAUSE_S
    wait_until_whole(stack, tell)


def test_neither_a_cut_network_nor_a_failover_makes_the_cloud_take_over(
    emergency: Emergency,
) -> None:
    stack = emergency.stack
    if stack.can_partition:
        for site in (*NODES, "edge", "edge-2"):
            stack.cut(CLOUD, site)
        emergency.await_status(lambda status: status["verdict"] == "silent", 180)
        with pytest.raises(StackError, match="--site-lost"):
            emergency.controls.promote(site_lost=False, force=False)
        for site in (*NODES, "edge", "edge-2"):
            stack.mend(CLOUD, site)
        emergency.await_status(lambda status: status["verdict"] == "alive", 180)
    old = stack.primary()
    assert old is not None
    stack.kill(old)
    killed = time.monotonic()
    report(failover_s=emergency.await_note_after(killed, 240) - killed)
    emergency.await_primary(*(node for node in NODES if node != old))
    with pytest.raises(StackError, match="seen alive"):
        emergency.controls.promote(site_lost=False, force=False)
    stack.start(old)
    emergency.finish()
    assert emergency.status()["epoch"] == 0


def test_the_cloud_takes_over_and_gives_back_with_nothing_lost(emergency: Emergency) -> None:
    stack, ledger = emergency.stack, emergency.ledger
    time.sleep(3)
    dead = emergency.kill_both()
    first = emergency.await_note_after(dead, PROMOTION_S + 30)
    report(promotion_s=first - dead)
    assert first - dead < PROMOTION_S
    assert ledger.lost(stack, CLOUD, ledger.acknowledged(dead)) == []
    told = httpx.get(f"{stack.endpoint(CLOUD, 'api').url}/v1/status", timeout=60).json()
    assert told["mode"] == "emergency"
    assert "entre 2 e 4 horas" in told["message"]

    emergency.await_primary(CLOUD)

    # The nodes come back unattended: nobody but the cloud may lead, for longer than a lease.
    emergency.start_both()
    emergency.await_status(lambda status: not status["unsalvaged"], 300)
    time.sleep(8)
    assert emergency.primaries.now() == [CLOUD]
    assert emergency.status()["phase"] == "cloud"

    back = time.monotonic()
    emergency.controls.fail_back(required=2, set_aside=())
    led = time.monotonic()
    emergency.await_note_after(led, 120)
    pause = ledger.longest_silence_s(back, time.monotonic())
    report(way_back_s=led - back, write_pause_s=pause)
    assert pause < PLANNED_PAUSE_S
    emergency.finish()
    known = httpx.get(f"{stack.endpoint('mac-1', 'api').url}/v1/status", timeout=60).json()
    assert (known["mode"], known["message"]) == ("normal", None)


def test_the_controller_may_be_killed_at_every_step(emergency: Emergency) -> None:
    folder = emergency.stack.directory / CLOUD / "fallback"
    steps = [*STEPS["promotion"], *STEPS["way-back"]]
    twice = [f"{step}:begun" for step in ("fence", "promote", "demote", "promote-hospital")]
    points = ["decided", *(f"{step}:acted" for step in steps), *twice]
    (folder / WANTED_FILE).write_text("\n".join(points))
    before = len(entries(folder))
    time.sleep(2)
    dead = emergency.kill_both()
    emergency.await_phase("cloud", 300)
    report(promotion_with_crashes_s=emergency.await_note_after(dead, 180) - dead)
    emergency.start_both()
    emergency.await_status(lambda status: not status["unsalvaged"], 300)
    emergency.controls.fail_back(required=2, set_aside=())
    emergency.finish()
    assert set((folder / HONOURED_FILE).read_text().split()) >= set(points)
    done = [entry.step for entry in entries(folder)[before:] if entry.kind == "done"]
    assert done == steps
    (folder / WANTED_FILE).unlink()
    restarts = emergency.stack.status()[CLOUD].services["fallback"].restarts
    report(crash_points=len(points), restarts=restarts)


def test_notes_the_cloud_never_got_are_brought_over_and_all_of_it_goes_by_hand_too(
    emergency: Emergency,
) -> None:
    """The WAN is cut five seconds before both nodes die, and the controller is dead too."""
    stack, ledger = emergency.stack, emergency.ledger
    if not stack.can_partition:
        pytest.skip("sites can't be cut apart here")
    time.sleep(2)
    cut = time.monotonic()
    for site in (*NODES, "edge", "edge-2"):
        stack.cut(CLOUD, site)
    time.sleep(5)
    # A killed node's kernel would still send what its sockets hold; one without power can't.
    for node in NODES:
        stack.lose_power(node)
    dead = time.monotonic()
    for site in (*NODES, "edge", "edge-2"):
        stack.mend(CLOUD, site)
    stack.stop_services(CLOUD, ["fallback"])
    with ByHand(stack, tell) as hand:
        hand.promote(site_lost=False, force=False)
    emergency.await_note_after(dead, 180)
    lost = ledger.lost(stack, CLOUD, ledger.acknowledged(dead))
    oldest = min((note.acknowledged_s or dead for note in lost), default=dead)
    report(cut_s=dead - cut, missing_at_promotion=len(lost), rpo_s=dead - oldest)
    assert lost, "the cut did not bite"
    assert dead - oldest < RPO_S

    emergency.start_both()
    # Without a controller the gates wait; nobody else may lead meanwhile.
    time.sleep(10)
    assert emergency.primaries.now() == [CLOUD]
    with ByHand(stack, tell) as hand:
        hand.fail_back(required=2, set_aside=())
    stack.start_services(CLOUD, ["fallback"])
    emergency.await_phase("hospital", 180)
    emergency.finish()
    salvaged = [
        entry.detail for entry in entries(stack.directory / CLOUD / "fallback")
        if entry.kind == "salvaged" and entry.detail.get("tables", {}).get("note")
    ]  # fmt: skip
    inserted = sum(detail["tables"]["note"]["inserted"] for detail in salvaged)
    report(salvaged=inserted)
    assert inserted >= len(lost)


def test_losing_the_standby_costs_no_acknowledged_write_and_writes_go_on(
    emergency: Emergency,
) -> None:
    """B-20, "secondary fails": no RTO is promised, and an RPO of 0."""
    stack = emergency.stack
    primary = stack.primary()
    standby = next(node for node in NODES if node != primary)
    emergency.await_note_after(time.monotonic(), 120)
    stack.lose_power(standby)
    lost_s = time.monotonic()
    first_s = emergency.await_note_after(lost_s, 180)
    report(standby_lost_pause_s=emergency.ledger.longest_silence_s(lost_s, first_s + 1))
    assert stack.primary() == primary
    stack.kill(standby)
    stack.start(standby)
    emergency.finish()


def test_a_lost_hospital_waits_for_a_persons_word_and_gets_everything_back(
    emergency: Emergency,
) -> None:
    """B-20, "site disaster": from the cloud it looks like a cut network, so a person decides."""
    stack = emergency.stack
    hospital = [name for name, site in stack.design.sites.items() if site.location == "hospital"]
    emergency.await_note_after(time.monotonic(), 120)
    for site in hospital:
        stack.lose_power(site)
    lost_s = time.monotonic()
    emergency.await_status(lambda status: status["verdict"] == "silent", 180)
    assert emergency.status()["leader"] == "hospital"
    asked_s = time.monotonic()
    assert emergency.controls.promote(site_lost=True, force=False)["leader"] == "cloud"
    promoted_s = time.monotonic() - asked_s
    missing = emergency.ledger.lost(stack, CLOUD, emergency.ledger.acknowledged(before_s=lost_s))
    rpo_s = max((lost_s - (note.acknowledged_s or lost_s) for note in missing), default=0.0)
    report(site_lost_promotion_s=promoted_s, site_lost_rpo_s=rpo_s, missing=len(missing))
    assert rpo_s < SITE_RPO_S
    endpoint = stack.endpoint(CLOUD, "database")
    cloud = Ledger(
        database_url([endpoint], DATABASE_USER, stack.secret("application")), writers=1
    ).start()
    began_s = time.monotonic()
    while cloud.first_sent_after(began_s) == float("inf"):
        assert time.monotonic() < began_s + 120, "nothing can be written to the cloud"
        time.sleep(0.05)
    cloud.stop()
    for site in hospital:
        stack.kill(site)
        stack.start(site)
    emergency.controls.fail_back(required=2, set_aside=[])
    emergency.finish()
    primary = stack.primary()
    assert primary is not None
    assert cloud.lost(stack, primary, cloud.acknowledged()) == []


def test_the_journal_tells_the_whole_story(stack: StackHandle) -> None:
    kinds = [entry.kind for entry in entries(Path(stack.directory) / CLOUD / "fallback")]
    assert kinds[0] == "armed"
    assert "withdrawn" not in kinds
    assert "rollback" not in kinds
    assert site_dsn(stack, CLOUD)
