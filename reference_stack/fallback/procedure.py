"""Carries a procedure forward, one journalled step at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reference_stack.fallback.journal import Journal
from reference_stack.fallback.state import State, may_cancel, may_roll_back
from reference_stack.fallback.steps import ACTIONS, NotYet
from reference_stack.fallback.world import World

#: Nobody can write between ``demote`` and ``promote-hospital``: past this the cloud leads on.
HANDOVER_DEADLINE_S = 30.0

CrashPoint = Callable[[str], None]


def no_crash(_point: str) -> None:
    """Where nothing is to be broken."""


@dataclass
class Conductor:
    """Advances whatever the journal says is under way.

    ``missing`` is what the step under way waits for, in words; nothing of it needs to outlive the
    process. ``crash`` is told each point (``STEP:begun``, ``STEP:acted``, ``STEP:done``) so that
    a test can end the process there.
    """

    journal: Journal
    world: World
    clock: Callable[[], float] = time.monotonic
    crash: CrashPoint = no_crash
    handover_deadline_s: float = HANDOVER_DEADLINE_S
    missing: str = ""
    _handover_since: float | None = field(default=None, init=False)

    def advance(self) -> bool:
        """Try the step under way once; True when it got done, so that the next may follow at once.

        A way back that hangs while nobody can write is rolled back to the cloud.
        """
        state = self.journal.state
        step = state.step
        if step is None:
            self.missing = ""
            return False
        if self._hangs(state):
            self.journal.append("rollback", reason=self.missing)
            return True
        if not state.begun:
            if step == "fence" and self._needless(state):
                return True
            state = self.journal.append("begun", step)
            self.crash(f"{step}:begun")
        outcome = ACTIONS[step](self.world, state)
        if isinstance(outcome, NotYet):
            self.missing = outcome.missing
            return False
        self.crash(f"{step}:acted")
        self.journal.append("done", step, **outcome.detail)
        self.missing = ""
        self.crash(f"{step}:done")
        return True

    def tend(self) -> frozenset[str]:
        """While the cloud leads, end any primary of the hospital; returns those that were found.

        There can be one when the cloud was promoted unfenced (a site thought lost), or when a
        person overrode a gate. All nodes lose power, since the rival's standby would follow it;
        they get it back and then find their gates closed.
        """
        state = self.journal.state
        resting = state.leader == "cloud" and state.procedure is None
        if not (resting or may_cancel(state)):
            return frozenset()
        rivals = self.world.hospital_primaries()
        if not rivals or not self.world.edge_reachable():
            return rivals
        # Of a rival that lives on there is nothing new to say at each look.
        known = state.unsalvaged >= set(state.nodes) and not state.released
        if state.procedure is not None or not known:
            for node in state.nodes:
                self.journal.append("rival", site=node)
        for node in [node for node in state.nodes if self.world.cut_power(node)]:
            self.world.power_on(node)
        return rivals

    def _needless(self, state: State) -> bool:
        """A decision taken before a crash, and overtaken since by a living primary."""
        if state.site_lost or state.reason == "operator" or not self.world.hospital_primaries():
            return False
        self.journal.append("withdrawn", reason="a node of the hospital is primary")
        return True

    def _hangs(self, state: State) -> bool:
        if not may_roll_back(state):
            self._handover_since = None
            return False
        now = self.clock()
        if self._handover_since is None:
            self._handover_since = now
        return now - self._handover_since > self.handover_deadline_s
