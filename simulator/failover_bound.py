"""Worst cases of a failover, in closed form (D-03)."""

from __future__ import annotations

import math

from architecture.design import Design
from architecture.edge import HealthCheck
from simulator.failover_terms import (
    CONNECT_TIMEOUT_S,
    DETECTOR_ACTS_S,
    EDGE_RETRY_DELAY_S,
    EDGE_TRIES,
    FAULTS,
    LEASE_EXTENSION_ELECTIONS,
    LEASE_SCAN_S,
    PEER_STATUS_TIMEOUT_S,
    RECONNECT_S,
    Terms,
    failed_check_s,
    resolve,
)


def failover_bound_s(design: Design) -> dict[str, dict[str, float]]:
    """Longest outage by fault and operation that the settings allow, seconds.

    It is the outage of an insistent client: one that has a request under way when the fault
    strikes, or sends one during the outage, and tries again whenever it fails. Not in it: the time
    the successful request itself is worked on, and a clinician's pause. Infinite when nothing in
    the design ends the outage. With ``dual-m3-ultra``'s settings a write waits at most
    9 (failure detector) + 0.5 (it acts) + 2 (peers) + 3 (promotion) + 1 (check)
    + 0.3 (reconnection) + 1 (client) = 16.8 s; without the detector, with 20 (lease) + 0.5 instead
    of 9.5, 27.8 s.
    """
    return {fault: _by_operation(design, resolve(design, fault)) for fault in FAULTS}


def _by_operation(design: Design, terms: Terms) -> dict[str, float]:
    backoff_s = design.workload.client.retry_backoff_s
    client = design.workload.client
    if not terms.api_struck:
        chat_s = short_s = 0.0
    elif not terms.api_survives:
        chat_s = short_s = math.inf
    else:
        rerouted_s = detection_s(design.edge.api_check, silent=terms.silent)
        chat_s = rerouted_s + _edge_delay_s(design, terms, client.chat_timeout_s) + backoff_s
        short_s = rerouted_s + _edge_delay_s(design, terms, client.timeout_s) + backoff_s
    database_s = database_ready_s(design, terms) + reconnection_s(design) + backoff_s
    written_s = max(short_s, database_s)
    chat = design.workload.demands.get("chat")
    if chat is None or chat.needs_database:
        chat_s = max(chat_s, database_s)
    return {"read": written_s, "write": written_s, "chat": chat_s}


def detection_s(check: HealthCheck, *, silent: bool) -> float:
    """Longest time until a dead server is marked down.

    interval + fall·T + (fall − 1)·fast interval, where T is what a failing check takes: the next
    check is scheduled from the end of the last (HAProxy configuration manual, "inter").
    """
    failed_s = failed_check_s(check, silent=silent)
    return check.interval_s + check.fall * failed_s + (check.fall - 1) * check.transition_interval_s


def marked_up_s(check: HealthCheck) -> float:
    """Longest time from a server's first good answer possible until it is marked up."""
    return check.settled_down_interval_s + (check.rise - 1) * check.transition_interval_s


def database_ready_s(design: Design, terms: Terms) -> float:
    """Longest time until the balancer leads database connections to a new primary."""
    lease, consensus = design.database.lease, design.database.consensus
    if terms.standby is None or lease is None or consensus is None:
        return math.inf
    expiry_s = float(lease.ttl_s)
    if terms.etcd_leader_risk > 0:
        expiry_s += (2 + LEASE_EXTENSION_ELECTIONS) * consensus.election_timeout_s
    peers_s = PEER_STATUS_TIMEOUT_S if terms.silent else 0.0
    free_s = expiry_s + LEASE_SCAN_S
    if terms.detector is not None:
        down_s = detection_s(terms.detector, silent=terms.silent)
        if terms.etcd_leader_risk > 0:
            down_s = max(down_s, 2 * consensus.election_timeout_s)
        free_s = min(free_s, down_s + DETECTOR_ACTS_S[1])
    promoted_s = free_s + peers_s + design.database.promotion_s[2]
    check = design.edge.database_check
    return max(promoted_s + marked_up_s(check), detection_s(check, silent=terms.silent))


def reconnection_s(design: Design) -> float:
    """Longest time the API needs to find the new primary once it can be reached.

    When the balancer does not close the dead server's sessions, an attempt may hang in one first.
    """
    closed = design.edge.database_check.close_sessions_when_down
    return RECONNECT_S if closed else CONNECT_TIMEOUT_S + RECONNECT_S


def _edge_delay_s(design: Design, terms: Terms, client_timeout_s: float) -> float:
    """How long after the rerouting a request sent just before it can still fail."""
    if not terms.silent:
        return (EDGE_TRIES - 1) * EDGE_RETRY_DELAY_S
    check = design.edge.api_check
    if not check.close_sessions_when_down:
        return client_timeout_s
    return check.timeout_s
