"""Is the hospital alive, are both nodes down, or is nothing to be heard at all?

Seen from outside: by the cloud's own checks of the nodes, and by what each reachable balancer
says of them. A node is alive when anyone sees it alive, so that neither a failover between the
nodes nor a cut wide-area network looks like the loss of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from architecture.services import SiteLoss

#: What a balancer says of each node: alive, dead, or nothing (None).
View = Mapping[str, bool | None]


class Verdict(StrEnum):
    """What the sights amount to."""

    ALIVE = "alive"
    BOTH_DOWN = "both-down"
    SILENT = "silent"
    UNSURE = "unsure"


@dataclass(frozen=True)
class BalancerSight:
    """``up``: by the check of the balancer itself; ``view``: its latest words, None if silent."""

    up: bool
    view: View | None


def server_alive(status: str, check_status: str) -> bool | None:
    """What one server's line in HAProxy's statistics says of the machine behind it.

    An answer of any kind to the last check (L7OK, L7STS, L7RSP) is a sign of life: a replica
    answers ``/primary`` with 503. A server in transition counts as alive. None: in maintenance or
    never checked, so nothing is known.
    """
    if status.startswith(("MAINT", "no check")) or not check_status:
        return None
    answered = check_status.lstrip("* ") in {"L7OK", "L7OKC", "L7STS", "L7RSP"}
    return answered or "/" in status or not status.startswith("DOWN")


def node_view(servers: Mapping[tuple[str, str], tuple[str, str]], nodes: Sequence[str]) -> View:
    """What a balancer says of each node, by all of its servers there.

    Args:
        servers: (status, check_status) by (listener, site).
        nodes: Sites to tell of.
    """
    view: dict[str, bool | None] = {}
    for node in nodes:
        said = [server_alive(*row) for (_, site), row in servers.items() if site == node]
        known = [word for word in said if word is not None]
        view[node] = any(known) if known else None
    return view


def judge(nodes: Mapping[str, bool], balancers: Mapping[str, BalancerSight]) -> Verdict:
    """The verdict.

    Args:
        nodes: By node, whether the cloud's own check of it holds it for up.
        balancers: What each balancer says.

    ``BOTH_DOWN`` needs a witness inside the hospital: a balancer that answers and holds every node
    for down. ``SILENT`` is what a lost hospital and a cut network have in common.
    """
    views = [sight.view for sight in balancers.values() if sight.view is not None]
    if any(nodes.values()) or any(word for view in views for word in view.values()):
        return Verdict.ALIVE
    if any(all(view.get(node) is False for node in nodes) for view in views):
        return Verdict.BOTH_DOWN
    if not views and not any(sight.up for sight in balancers.values()):
        return Verdict.SILENT
    return Verdict.UNSURE


def silence_decides(rule: SiteLoss, silent_s: float) -> bool:
    """Whether so many seconds of silence count as the loss of the site without a person's word."""
    return rule.decided_by == "automatic" and silent_s >= rule.after_s
