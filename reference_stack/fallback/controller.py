"""The fallback controller: watches, decides, and carries the procedures forward."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from reference_stack.errors import StackError
from reference_stack.fallback.crash_points import CrashPoints
from reference_stack.fallback.decision import Verdict, silence_decides
from reference_stack.fallback.journal import Journal
from reference_stack.fallback.messages import users_message
from reference_stack.fallback.procedure import Conductor
from reference_stack.fallback.reality import Reality
from reference_stack.fallback.settings import ControllerSettings
from reference_stack.fallback.state import State, may_cancel, may_decide
from reference_stack.fallback.watch import Watch

log = logging.getLogger("fallback")

PROCEDURE_PAUSE_S = 0.1
LONGEST_PAUSE_S = 0.5
TEND_EVERY_S = 1.0
GATE_SILENCE_S = 5.0
SALVAGE_SILENCE_S = 150.0
ANSWER_TIMEOUT_S = 15.0


class RefusedError(StackError):
    """An order that can't be followed now; says why and what would."""


@dataclass(frozen=True)
class _GateSeen:
    at: float
    salvaging: bool
    error: str = ""


class Controller:
    """One thread runs :meth:`run`; all else may be called from any thread."""

    def __init__(self, settings: ControllerSettings) -> None:
        self._settings = settings
        self._journal = Journal(settings.folder, settings.nodes)
        self._gates: dict[str, _GateSeen] = {}
        crash = CrashPoints(settings.folder)
        self._conductor = Conductor(self._journal, Reality(settings, self.at_gate), crash=crash)
        self._watch = Watch(settings)
        self._crash = crash
        self._verdict = Verdict.ALIVE
        self._silent_since: float | None = None
        self._tended_at = 0.0
        self._rivals: frozenset[str] = frozenset()
        self._orders: queue.Queue[tuple[Callable[[], None], Future[None]]] = queue.Queue()
        self._stop = threading.Event()

    def at_gate(self) -> frozenset[str]:
        """Nodes that wait at their gate now."""
        now = time.monotonic()
        return frozenset(
            node
            for node, seen in list(self._gates.items())
            if now - seen.at < (SALVAGE_SILENCE_S if seen.salvaging else GATE_SILENCE_S)
        )

    @property
    def state(self) -> State:
        """What the journal says."""
        return self._journal.state

    def leadership(self) -> dict[str, Any]:
        """Who leads, for everyone who asks."""
        state = self.state
        return {
            "leader": state.leader,
            "epoch": state.epoch,
            "phase": state.phase,
            "since": state.since,
            "message": users_message(state, self._settings.design.emergency),
        }

    def status(self) -> dict[str, Any]:
        """Everything an operator wants to know."""
        state = self.state
        return {
            **self.leadership(),
            "verdict": self._verdict.value,
            "nodes": dict(self._watch.nodes),
            "balancers": {
                site: {"up": sight.up, "view": None if sight.view is None else dict(sight.view)}
                for site, sight in self._watch.balancers.items()
            },
            "armed": state.armed,
            "missing": self._conductor.missing,
            "fenced": state.fenced,
            "rivals": sorted(self._rivals),
            "at_gate": sorted(self.at_gate()),
            "unsalvaged": sorted(state.unsalvaged),
            "gate_errors": {
                node: seen.error for node, seen in list(self._gates.items()) if seen.error
            },
        }

    def gate_order(self, node: str) -> dict[str, Any]:
        """What a node's gate is to do; asking is the sign that the node is back.

        Raises:
            RefusedError: when it is no node of the hospital.
        """
        self._require_node(node)
        state = self.state
        order = state.order(node)
        if order == "start" and state.epoch == 0 and self._conductor.world.cloud_primary():
            log.error("%s waits: the cloud leads, of which this journal knows nothing", node)
            order = "wait"
        error = self._gates[node].error if node in self._gates else ""
        salvaging = order in {"salvage", "set-aside"}
        self._gates[node] = _GateSeen(time.monotonic(), salvaging, error if salvaging else "")
        return {"order": order, "epoch": state.epoch, "since_xid": state.mark.get("next_xid")}

    def gate_report(self, node: str, report: dict[str, Any]) -> None:
        """A gate tells what came of an order.

        Raises:
            RefusedError: when it is no node of the hospital, or tells of an earlier emergency.
        """
        self._require_node(node)
        if "error" in report:
            self._gates[node] = _GateSeen(time.monotonic(), salvaging=True, error=report["error"])
            return
        self._order(lambda: self._append_salvaged(node, report))

    def promote(self, *, site_lost: bool, force: bool) -> None:
        """An operator's word that the cloud is to take over.

        Raises:
            RefusedError: when it can't, or shouldn't without ``force``.
            TimeoutError: when the controller is busy; the order is void then. So with all orders.
        """
        self._order(lambda: self._promote(site_lost=site_lost, force=force))

    def fail_back(self, *, required: int, set_aside: tuple[str, ...]) -> None:
        """An operator's word that the hospital is to lead again.

        Raises:
            RefusedError: when the cloud doesn't lead, or a site is unknown.
        """
        self._order(lambda: self._fail_back(required, set_aside))

    def cancel(self) -> None:
        """Give up the way back, as long as the cloud is still primary."""
        self._order(self._cancel)

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._stop.set()

    def run(self) -> None:
        """Watch and act until :meth:`stop`."""
        try:
            while not self._stop.is_set():
                self._obey_orders()
                self._look()
                self._tend()
                while self._conductor.advance():
                    log.info("%s", self.state.phase)
                self._watch.rest(self._longest_pause_s())
        finally:
            self._watch.close()
            self._journal.close()

    def _require_node(self, node: str) -> None:
        if node not in self._settings.nodes:
            raise RefusedError(f"'{node}' is no node of the hospital")

    def _look(self) -> None:
        verdict = self._watch.look()
        if verdict is not self._verdict:
            log.info("verdict %s: %s", verdict, self.status())
        self._verdict = verdict
        if self._watch.seen_alive and not self.state.armed:
            self._journal.append("armed")
        silent = verdict is Verdict.SILENT
        now = time.monotonic()
        self._silent_since = (self._silent_since or now) if silent else None
        if not may_decide(self.state):
            return
        if verdict is Verdict.BOTH_DOWN:
            self._decide("both-down", site_lost=False)
        elif self._silent_since is not None and silence_decides(
            self._settings.fallback.site_loss, now - self._silent_since
        ):
            self._decide("site-lost", site_lost=True)

    def _decide(self, reason: str, *, site_lost: bool) -> None:
        sights = self.status()
        state = self._journal.append(
            "decided", reason=reason, site_lost=site_lost,
            sights={name: sights[name] for name in ("verdict", "nodes", "balancers")},
        )  # fmt: skip
        log.warning("epoch %d: the cloud takes over (%s)", state.epoch, reason)
        self._crash("decided")

    def _tend(self) -> None:
        now = time.monotonic()
        if self.state.leader == "cloud" and now - self._tended_at > TEND_EVERY_S:
            self._tended_at = now
            self._rivals = self._conductor.tend()
            if self._rivals:
                log.warning("rivals of the cloud: %s", ", ".join(sorted(self._rivals)))

    def _longest_pause_s(self) -> float:
        return LONGEST_PAUSE_S if self.state.procedure is None else PROCEDURE_PAUSE_S

    def _order(self, deed: Callable[[], None]) -> None:
        answer: Future[None] = Future()
        self._orders.put((deed, answer))
        try:
            answer.result(ANSWER_TIMEOUT_S)
        except TimeoutError:
            # Who was told that nobody listens acts on that: the order must not be obeyed later.
            if answer.cancel():
                raise
            answer.result()

    def _obey_orders(self) -> None:
        while not self._orders.empty():
            deed, answer = self._orders.get_nowait()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                deed()
            except StackError as error:
                answer.set_exception(error)
            else:
                answer.set_result(None)

    def _promote(self, *, site_lost: bool, force: bool) -> None:
        state = self.state
        if state.procedure == "promotion":
            if site_lost and not state.site_lost:
                self._journal.append("confirmed")
            return
        if state.leader == "cloud" and not may_decide(state):
            raise RefusedError("the cloud leads already")
        if not may_decide(state):
            raise RefusedError(f"not during {state.phase}: wait, or ask for the status")
        if self._verdict is Verdict.ALIVE and not force:
            raise RefusedError(
                "a node of the hospital is seen alive; with --force it is fenced and the cloud "
                "takes over all the same"
            )
        if self._verdict in {Verdict.SILENT, Verdict.UNSURE} and not site_lost:
            raise RefusedError(
                "nothing proves that the nodes are down (a cut network looks the same); "
                "if the hospital is lost, say so with --site-lost"
            )
        self._decide("operator", site_lost=site_lost)

    def _fail_back(self, required: int, set_aside: tuple[str, ...]) -> None:
        nodes = self._settings.nodes
        unknown = sorted(set(set_aside) - set(nodes))
        if unknown or not 1 <= required <= len(nodes):
            raise RefusedError(
                f"got {required} nodes, set aside {', '.join(unknown) or 'none'} "
                f"(allowed: 1 to {len(nodes)} nodes, of {', '.join(nodes)})"
            )
        state = self.state
        for node in sorted(set(set_aside) & state.unsalvaged):
            state = self._journal.append("set-aside", site=node)
        if state.procedure == "way-back":
            return
        if state.leader != "cloud" or state.procedure is not None:
            raise RefusedError(f"the cloud does not lead at rest: the phase is {state.phase}")
        self._journal.append("way-back", required=required)

    def _cancel(self) -> None:
        if not may_cancel(self.state):
            raise RefusedError(f"nothing can be given up in phase {self.state.phase}")
        self._journal.append("cancelled")

    def _append_salvaged(self, node: str, report: dict[str, Any]) -> None:
        if report.get("epoch") != self.state.epoch:
            raise RefusedError(f"the report is of epoch {report.get('epoch')}")
        if node in self.state.unsalvaged:
            log.info("salvaged %s: %s", node, report)
            self._journal.append("salvaged", **{**report, "site": node})
