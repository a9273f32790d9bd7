"""Longest times and counts of single parts that both the simulation and the closed form need."""

from __future__ import annotations

import math

from architecture.design import Design
from architecture.services import Fallback
from architecture.workload import Client
from simulator.failover.delays import (
    CONNECT_TIMEOUT_S,
    FIRST_PRIORITY,
    PRIORITY_STEP,
    RECONNECT_S,
)

VRRP_SCALE = 256
#: More targets than this are taken to be in step with these.
MOST_TARGETS = 4


def fallback_of(design: Design) -> Fallback:
    """The rules of the fallback controller.

    Raises:
        ValueError: when the design has none.
    """
    if design.fallback is None:
        raise ValueError(f"design {design.name}: fallback is needed")
    return design.fallback


def targets_of(design: Design, *, balancers: bool) -> int:
    """How many silent targets the fallback controller has: the nodes, or the balancers as well."""
    more = len(design.sites_with("balancer")) if balancers else 0
    return min(len(design.database.sites) + more, MOST_TARGETS)


def site_questions(design: Design) -> int:
    """Silent services the controller asks before it trusts that no edge can be reached."""
    consensus = design.database.consensus
    voters = consensus.voters if consensus is not None else ()
    balancers = design.sites_with("balancer")
    return len(balancers) + sum(site in voters for site in balancers)


def reconnection_s(design: Design) -> float:
    """Longest time the API needs to find the new primary once it can be reached.

    When the balancer does not close the dead server's sessions, an attempt may hang in one first.
    """
    closed = design.edge.database_check.close_sessions_when_down
    return RECONNECT_S if closed else CONNECT_TIMEOUT_S + RECONNECT_S


def heir_patience_s(advertisement_s: float) -> float:
    """Master_Down_Interval of the second balancer: 3 · advertisement + skew (RFC 5798, 6.1)."""
    skew = (VRRP_SCALE - (FIRST_PRIORITY - PRIORITY_STEP)) / VRRP_SCALE
    return (3 + skew) * advertisement_s


def mean_pause_s(client: Client, failed: int) -> float:
    """A client's mean pause after ``failed`` attempts of one request."""
    growth = client.retry_multiplier ** min(failed - 1, 100)
    return min(client.retry_backoff_s * growth, client.retry_backoff_max_s)


def longest_pause_s(client: Client) -> float:
    """A client's longest pause before it tries again."""
    longest_s = client.retry_backoff_s if client.retry_multiplier == 1 else math.inf
    return (1 + client.retry_jitter) * min(longest_s, client.retry_backoff_max_s)
