"""The controller's procedures by an operator's hand, when the controller is dead.

The same journal, the same steps: whatever was begun is resumed, and the controller finds what was
done when it lives again. While this works it holds the journal, so the two can't lead at once.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from reference_stack.errors import StackError
from reference_stack.fallback.decision import Verdict
from reference_stack.fallback.gate import ORDER_FILE, REPORT_FILE
from reference_stack.fallback.journal import Journal
from reference_stack.fallback.operator import (
    PROMOTION_DEADLINE_S,
    WAY_BACK_DEADLINE_S,
    NotFinishedError,
    Progress,
)
from reference_stack.fallback.patroni_control import PatroniControl
from reference_stack.fallback.procedure import Conductor
from reference_stack.fallback.reality import Reality
from reference_stack.fallback.settings import ControllerSettings, load_settings
from reference_stack.fallback.sights import accepts
from reference_stack.fallback.state import may_cancel, may_decide
from reference_stack.fallback.watch import Watch
from reference_stack.handle import StackHandle

PAUSE_S = 0.1
VERDICT_DEADLINE_S = 60.0
LOOKS_EVERY_S = 1.0


class ByHand:
    """One operator at work; use as a context manager."""

    def __init__(self, handle: StackHandle, progress: Progress) -> None:
        """
        Raises:
            JournalHeldError: when the controller lives.
            StackError: when the design has none.
        """
        fallback = handle.design.fallback
        if fallback is None:
            raise StackError(f"design {handle.design.name} has no fallback controller")
        folder = handle.directory / fallback.site
        self._settings = load_settings(ControllerSettings, folder / "fallback.json")
        self._directory = handle.directory
        self._progress = progress
        self._journal = Journal(self._settings.folder, self._settings.nodes)
        self._conductor = Conductor(self._journal, Reality(self._settings, self._at_gate))
        self._told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def promote(self, *, site_lost: bool, force: bool) -> dict[str, Any]:
        """Have the cloud take over: only when nothing is seen alive, or by force.

        Raises:
            StackError: when a node is alive, or the loss is not certain.
        """
        state = self._journal.state
        if state.procedure != "promotion" and (state.leader != "cloud" or may_decide(state)):
            verdict = Verdict.BOTH_DOWN if force else self._settled_verdict(site_lost=site_lost)
            if verdict is Verdict.ALIVE:
                raise StackError("a node of the hospital is seen alive: --force fences it")
            if verdict is not Verdict.BOTH_DOWN and not site_lost:
                raise StackError(
                    "nothing proves that the nodes are down (a cut network looks the same); "
                    "if the hospital is lost, say so with --site-lost"
                )
            if not state.armed:
                self._journal.append("armed")
            if not may_decide(self._journal.state):
                raise StackError(f"not during {state.phase}")
            self._journal.append("decided", reason="operator", site_lost=site_lost)
        elif site_lost and state.procedure == "promotion":
            self._journal.append("confirmed")
        return self._carry_on("cloud", PROMOTION_DEADLINE_S, lambda: None)

    def fail_back(self, *, required: int, set_aside: Sequence[str]) -> dict[str, Any]:
        """Have the hospital lead again, telling the gates by files in their sites' folders.

        Raises:
            StackError: when the cloud does not lead.
        """
        state = self._journal.state
        for node in sorted(set(set_aside) & state.unsalvaged):
            state = self._journal.append("set-aside", site=node)
        if state.procedure is None:
            if state.leader != "cloud":
                raise StackError("the hospital leads already")
            self._journal.append("way-back", required=required)
        return self._carry_on("hospital", WAY_BACK_DEADLINE_S, self._tell_gates)

    def cancel(self) -> dict[str, Any]:
        """Give up the way back while the cloud is still primary.

        Raises:
            StackError: when there is none, or it has gone too far.
        """
        if not may_cancel(self._journal.state):
            raise StackError(f"nothing can be given up in phase {self._journal.state.phase}")
        self._journal.append("cancelled")
        return self._summary()

    def _carry_on(
        self, goal: str, deadline_s: float, meanwhile: Callable[[], None]
    ) -> dict[str, Any]:
        end = time.monotonic() + deadline_s
        while self._journal.state.procedure is not None and time.monotonic() < end:
            meanwhile()
            while self._conductor.advance():
                self._tell(self._journal.state.phase)
            if self._conductor.missing:
                self._tell(f"{self._journal.state.phase}: {self._conductor.missing}")
            time.sleep(PAUSE_S)
        phase = self._journal.state.phase
        if phase != goal:
            raise NotFinishedError(f"the phase is {phase} ({self._conductor.missing})")
        return self._summary()

    def _summary(self) -> dict[str, Any]:
        state = self._journal.state
        return {
            "phase": state.phase, "leader": state.leader, "epoch": state.epoch,
            "fenced": state.fenced, "unsalvaged": sorted(state.unsalvaged),
        }  # fmt: skip

    def _settled_verdict(self, *, site_lost: bool) -> Verdict:
        """Look by the design's rule until the checks, the balancers' too, had time to fall."""
        watch = Watch(self._settings)
        wanted = {Verdict.BOTH_DOWN, Verdict.SILENT} if site_lost else {Verdict.BOTH_DOWN}
        end = time.monotonic() + VERDICT_DEADLINE_S
        verdict = watch.look()
        try:
            while verdict not in wanted and time.monotonic() < end:
                if watch.answering:
                    return verdict
                watch.rest(LOOKS_EVERY_S)
                verdict = watch.look()
        finally:
            watch.close()
        return verdict

    def _tell_gates(self) -> None:
        state = self._journal.state
        for node in self._settings.nodes:
            folder = self._directory / node
            report = _taken(folder / REPORT_FILE)
            if report is not None and "error" not in report and report["epoch"] == state.epoch:
                state = self._journal.append("salvaged", **{**report, "site": node})
            elif report is not None:
                self._tell(f"{node}: {report.get('error', 'an old report')}")
            order = state.order(node)
            if order == "wait" or (folder / ORDER_FILE).exists() or not self._node_up(node):
                continue
            if PatroniControl(self._settings.endpoint(node, "patroni")).answers():
                continue
            words = [order, str(state.epoch), str(state.mark.get("next_xid") or "")]
            write_order(folder, " ".join(words).strip())

    def _at_gate(self) -> frozenset[str]:
        return frozenset(node for node in self._settings.nodes if self._node_up(node))

    def _node_up(self, node: str) -> bool:
        """A node that is back has its etcd running; its Patroni waits."""
        return accepts(self._settings.endpoint(node, "etcd"), 1.0)

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._progress(words)
            self._told = words


def write_order(folder: Path, words: str) -> None:
    """Give a waiting gate an order; it takes the file away when it obeys."""
    partial = folder / f"{ORDER_FILE}.partial"
    partial.write_text(words, encoding="utf-8")
    partial.replace(folder / ORDER_FILE)


def _taken(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return document
    return None
