"""However the controller, the nodes and the network fail, one leader is left and nothing is lost.

The real journal and the real steps run against a simulated hospital; only the world is a model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_stack.fallback.journal import Journal
from reference_stack.fallback.procedure import Conductor
from reference_stack.fallback.state import STEPS, may_decide
from tests.fallback.simulated import NODES, Simulated


class CrashError(Exception):
    """The controller's process is gone."""


class Controlled:
    """A controller that is killed at given points and starts again from its journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = Simulated()
        self.crash_at: set[str] = set()
        self.now = 0.0
        self._start()
        self.journal.append("armed")

    def _start(self) -> None:
        self.journal = Journal(self.folder, NODES)
        self.world.journal = self.journal
        self.conductor = Conductor(
            self.journal, self.world, clock=lambda: self.now, crash=self._maybe_crash
        )

    def _maybe_crash(self, point: str) -> None:
        if point in self.crash_at:
            self.crash_at.discard(point)
            raise CrashError(point)

    def crash(self) -> None:
        self.journal.close()
        self._start()

    def guarded(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except CrashError:
            self.crash()
        self.world.breathe()

    def tick(self) -> None:
        """What the controller's loop does once."""
        self.now += 1.0
        state = self.journal.state
        seen = self.world.alive and not self.world.hidden
        if not seen and may_decide(state):
            self.guarded(lambda: self.journal.append("decided", reason="both-down"))
        self.guarded(self.conductor.tend)
        self.guarded(self.conductor.advance)

    def ask_way_back(self) -> None:
        state = self.journal.state
        if state.leader == "cloud" and state.procedure is None:
            self.journal.append("way-back", required=2)
        self.world.breathe()

    def settle(self) -> None:
        """Everything has power and a network for long enough; an operator asks for the way back."""
        self.world.edge = self.world.cloud_connected = True
        self.world.hidden = False
        for _ in range(150):
            for node in NODES:
                self.world.come_back(node)
            self.tick()
            self.ask_way_back()
            if self.journal.state.phase == "hospital" and self.world.hospital_primary:
                return
        raise AssertionError(f"did not settle: {self.journal.state} {self.conductor.missing}")


SCENES = st.sampled_from(
    [
        "tick", "work", "work", "work", "write", "write", "crash", "way-back", "way-back",
        "die mac-1", "die mac-2", "both die", "both die", "back mac-1", "back mac-2", "both back",
        "both back", "edge gone", "edge back", "wan cut", "wan cut", "wan mended", "hide", "show",
    ]
)  # fmt: skip
POINTS = [f"{step}:{moment}" for steps in STEPS.values() for step in steps
          for moment in ("begun", "acted", "done")]  # fmt: skip


def work(system: Controlled) -> None:
    """Time for one step, or for a check that fails again and again."""
    phase = system.journal.state.phase
    for _ in range(6):
        system.tick()
        if system.journal.state.phase != phase:
            return


def act(system: Controlled, scene: str) -> None:
    world = system.world
    deeds: dict[str, Callable[[], object]] = {
        "tick": system.tick,
        "work": lambda: work(system),
        "write": world.write,
        "crash": system.crash,
        "way-back": system.ask_way_back,
        "edge gone": lambda: setattr(world, "edge", False),
        "edge back": lambda: setattr(world, "edge", True),
        "wan cut": lambda: setattr(world, "cloud_connected", False),
        "wan mended": lambda: setattr(world, "cloud_connected", True),
        "hide": lambda: setattr(world, "hidden", True),
        "show": lambda: setattr(world, "hidden", False),
    }
    verb, _, whom = scene.rpartition(" ")
    nodes = NODES if scene.startswith("both") else (whom,)
    if scene in deeds:
        deeds[scene]()
    elif "die" in scene:
        for node in nodes:
            world.die(node)
    else:
        assert "back" in scene, verb
        for node in nodes:
            world.come_back(node)
    world.breathe()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=st.lists(SCENES, max_size=60), crashes=st.sets(st.sampled_from(POINTS)))
def test_any_interleaving_of_failures_leaves_one_leader_and_every_acknowledged_note(
    actions: list[str], crashes: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        system = Controlled(Path(folder))
        system.crash_at = set(crashes)
        for action in actions:
            act(system, action)
            assert system.world.violations == []
        system.settle()
        assert system.world.violations == []
        assert system.world.hospital_primary is not None
        assert not system.world.cloud_is_primary
        held = system.world.wal[system.world.hospital_primary]
        assert system.world.acknowledged <= held
        system.journal.close()


@pytest.mark.parametrize("point", POINTS[: len(POINTS) - 3])
def test_a_crash_at_each_step_is_resumed(point: str, tmp_path: Path) -> None:
    system = Controlled(tmp_path)
    world = system.world
    for _ in range(3):
        world.write()
    world.cloud_connected = False
    world.write()
    system.crash_at = {point}
    world.die("mac-1")
    world.die("mac-2")
    while system.journal.state.phase != "cloud":
        system.tick()
    world.write()
    system.settle()
    assert system.crash_at == set(), "the point was never passed"
    assert world.violations == []
    assert world.acknowledged <= world.wal[str(world.hospital_primary)]
    system.journal.close()


def test_a_site_thought_lost_that_lives_is_ended_when_it_is_seen_and_loses_nothing(
    tmp_path: Path,
) -> None:
    system = Controlled(tmp_path)
    world = system.world
    world.cloud_connected = world.edge = False
    world.write()
    system.journal.append("decided", reason="operator", site_lost=True)
    while system.journal.state.phase != "cloud":
        system.conductor.advance()
    assert system.journal.state.fenced is False
    world.write()  # the hospital cannot know: its clinicians go on
    world.edge = True
    world.violations.clear()
    system.conductor.tend()
    world.breathe()
    assert world.violations == []
    assert world.cloud_is_primary
    system.settle()
    assert world.acknowledged <= world.wal[str(world.hospital_primary)]
    system.journal.close()


def test_a_way_back_that_hangs_while_nobody_can_write_gives_the_cloud_its_lead_back(
    tmp_path: Path,
) -> None:
    system = Controlled(tmp_path)
    world = system.world
    world.die("mac-1")
    world.die("mac-2")
    while system.journal.state.phase != "cloud":
        system.tick()
    for node in NODES:
        world.come_back(node)
    world.breathe()
    system.ask_way_back()
    while system.journal.state.step != "compare":
        system.tick()
    world.die("mac-1")
    world.die("mac-2")
    assert world.cloud_position() is not None
    for _ in range(40):
        system.tick()
    assert world.cloud_is_primary
    assert system.journal.state.phase == "cloud"
    system.journal.close()


def test_a_hospital_that_lacks_the_last_note_of_the_cloud_is_not_promoted(tmp_path: Path) -> None:
    system = Controlled(tmp_path)
    world = system.world
    world.die("mac-1")
    world.die("mac-2")
    while system.journal.state.phase != "cloud":
        system.tick()
    for node in NODES:
        world.come_back(node)
    world.breathe()
    system.ask_way_back()
    while system.journal.state.step != "demote":
        system.tick()
    world.cloud_connected = False
    world.write()
    for _ in range(10):
        system.tick()
        assert world.hospital_primary is None
    assert system.conductor.missing == "the hospital lacks 1 bytes of WAL"
    world.cloud_connected = True
    system.settle()
    assert world.acknowledged <= world.wal[str(world.hospital_primary)]
    system.journal.close()
