"""The controller's eyes: every target checked when it is due, and what the sights amount to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from architecture.edge import HealthCheck
from reference_stack import health_check as check
from reference_stack.fallback.decision import BalancerSight, Verdict, View, judge
from reference_stack.fallback.settings import ControllerSettings
from reference_stack.fallback.sights import balancer_view, node_answers
from reference_stack.health_check import CheckState


@dataclass(frozen=True)
class _Word:
    """What came of one check; ``view`` is a balancer's, ``ended_s`` in the watch's clock."""

    answered: bool
    view: View | None
    ended_s: float


@dataclass
class _Target:
    """A node or a balancer: ``ask`` checks it, ``asked`` is the check under way, if any."""

    ask: Callable[[], _Word]
    state: CheckState = field(default_factory=CheckState)
    last: _Word = _Word(answered=False, view=None, ended_s=-math.inf)
    asked: Future[_Word] | None = None


class Watch:
    """Checks nodes and balancers by the design's rule; a balancer's answer is its view.

    Each target is checked by itself, so a silent one holds up the verdict on no other. One thread
    looks and rests; the properties may be read by any.
    """

    def __init__(
        self, settings: ControllerSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._check: HealthCheck = settings.fallback.check
        self._clock = clock
        self._nodes = {node: _Target(partial(self._node_word, node)) for node in settings.nodes}
        self._balancers = {
            site: _Target(partial(self._balancer_word, site))
            for site in settings.design.sites_with("balancer")
        }
        self._pool = ThreadPoolExecutor(len(self._targets()), thread_name_prefix="check")

    @property
    def nodes(self) -> Mapping[str, bool]:
        """By node, whether the controller's own check holds it for up."""
        return {node: target.state.up for node, target in self._nodes.items()}

    @property
    def balancers(self) -> Mapping[str, BalancerSight]:
        """By balancer, what it says."""
        return {
            site: BalancerSight(target.state.up, target.last.view)
            for site, target in self._balancers.items()
        }

    @property
    def seen_alive(self) -> bool:
        """Whether the latest look found any node alive; no check's patience is involved."""
        views = [target.last.view or {} for target in self._balancers.values()]
        return self.answering or any(word for view in views for word in view.values())

    @property
    def answering(self) -> bool:
        """Whether any node gave the latest direct check an answer."""
        return any(target.last.answered for target in self._nodes.values())

    def look(self) -> Verdict:
        """Take in what checks have found, begin those that are due, and judge.

        Waits for none of them, except before both nodes count as down: then everyone's word is
        awaited once more. (Of a check already under way, the word is newer than all the others.)
        """
        self._take_in()
        self._ask(due_by_s=self._clock())
        verdict = self._judge()
        if verdict is Verdict.BOTH_DOWN:
            self._ask(due_by_s=math.inf)
            wait(self._under_way())
            self._take_in()
            verdict = self._judge()
        return verdict

    def rest(self, longest_s: float) -> None:
        """Sleep until a check has ended or is due, ``longest_s`` at most."""
        next_due_s = min((due_s for due_s, _ in self._idle()), default=math.inf)
        pause_s = max(0.0, min(longest_s, next_due_s - self._clock()))
        if under_way := self._under_way():
            wait(under_way, pause_s, FIRST_COMPLETED)
        else:
            time.sleep(pause_s)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _judge(self) -> Verdict:
        return judge(self.nodes, self.balancers)

    def _targets(self) -> list[_Target]:
        return [*self._nodes.values(), *self._balancers.values()]

    def _under_way(self) -> list[Future[_Word]]:
        return [target.asked for target in self._targets() if target.asked is not None]

    def _take_in(self) -> None:
        for target in self._targets():
            if target.asked is not None and target.asked.done():
                target.last, target.asked = target.asked.result(), None
                target.state = check.after(self._check, target.state, success=target.last.answered)

    def _ask(self, *, due_by_s: float) -> None:
        for due_s, target in self._idle():
            if due_s <= due_by_s:
                target.asked = self._pool.submit(target.ask)

    def _idle(self) -> list[tuple[float, _Target]]:
        """Targets that are not being asked, each with when it is due."""
        nodes, balancers = self._nodes.values(), self._balancers.values()
        # When no node is up, what the balancers say decides: it is asked for at the quicker pace.
        some_up = any(target.state.up for target in nodes)
        longest_s = math.inf if some_up else self._check.transition_interval_s
        pauses_s = [(math.inf, target) for target in nodes]
        pauses_s += [(longest_s, target) for target in balancers]
        return [
            (target.last.ended_s + min(most_s, check.pause_s(self._check, target.state)), target)
            for most_s, target in pauses_s
            if target.asked is None
        ]

    def _node_word(self, node: str) -> _Word:
        answered = node_answers(self._settings, node, self._check.timeout_s)
        return _Word(answered=answered, view=None, ended_s=self._clock())

    def _balancer_word(self, site: str) -> _Word:
        view = balancer_view(self._settings, site, self._check.timeout_s)
        return _Word(answered=view is not None, view=view, ended_s=self._clock())
