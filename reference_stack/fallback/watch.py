"""The controller's eyes: every target checked when it is due, and what the sights amount to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from architecture.edge import HealthCheck
from reference_stack import health_check as check
from reference_stack.fallback.decision import BalancerSight, Verdict, View, judge
from reference_stack.fallback.settings import ControllerSettings
from reference_stack.fallback.sights import balancer_view, node_answers
from reference_stack.health_check import CheckState


@dataclass
class _Target:
    state: CheckState = field(default_factory=CheckState)
    due: float = 0.0
    view: View | None = None
    answered: bool = False


class Watch:
    """Checks nodes and balancers by the design's rule; a balancer's answer is its view."""

    def __init__(
        self, settings: ControllerSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._check: HealthCheck = settings.fallback.check
        self._clock = clock
        self._nodes = {node: _Target() for node in settings.nodes}
        self._balancers = {site: _Target() for site in settings.design.sites_with("balancer")}
        size = len(self._nodes) + len(self._balancers)
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="check")

    @property
    def nodes(self) -> Mapping[str, bool]:
        """By node, whether the controller's own check holds it for up."""
        return {node: target.state.up for node, target in self._nodes.items()}

    @property
    def balancers(self) -> Mapping[str, BalancerSight]:
        """By balancer, what it says."""
        return {
            site: BalancerSight(target.state.up, target.view)
            for site, target in self._balancers.items()
        }

    @property
    def seen_alive(self) -> bool:
        """Whether the latest look found any node alive; no check's patience is involved."""
        views = [target.view or {} for target in self._balancers.values()]
        return self.answering or any(word for view in views for word in view.values())

    @property
    def answering(self) -> bool:
        """Whether any node gave the latest direct check an answer."""
        return any(target.answered for target in self._nodes.values())

    def look(self) -> Verdict:
        """Check what is due and judge; before both nodes count as down, everyone is asked again."""
        self._check_targets(self._clock())
        verdict = self._judge()
        if verdict is Verdict.BOTH_DOWN:
            self._check_targets(float("inf"))
            verdict = self._judge()
        return verdict

    def next_due_s(self) -> float:
        """Seconds until something is due."""
        targets = (*self._nodes.values(), *self._balancers.values())
        return max(0.0, min(target.due for target in targets) - self._clock())

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _judge(self) -> Verdict:
        return judge(self.nodes, self.balancers)

    def _check_targets(self, due_by: float) -> None:
        timeout_s = self._check.timeout_s
        nodes = {
            node: self._pool.submit(node_answers, self._settings, node, timeout_s)
            for node, target in self._nodes.items()
            if target.due <= due_by
        }
        balancers = {
            site: self._pool.submit(balancer_view, self._settings, site, timeout_s)
            for site, target in self._balancers.items()
            if target.due <= due_by
        }
        for node, asked in nodes.items():
            self._nodes[node].answered = asked.result()
            self._settle(self._nodes[node], success=asked.result())
        for site, viewed in balancers.items():
            self._balancers[site].view = viewed.result()
            self._settle(self._balancers[site], success=viewed.result() is not None)
            if not any(self.nodes.values()):
                # What the balancers say decides now: don't wait for it.
                soon = self._clock() + self._check.transition_interval_s
                self._balancers[site].due = min(self._balancers[site].due, soon)

    def _settle(self, target: _Target, *, success: bool) -> None:
        target.state = check.after(self._check, target.state, success=success)
        target.due = self._clock() + check.pause_s(self._check, target.state)
