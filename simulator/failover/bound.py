"""Worst cases of a failover, in closed form (D-03): the outage, from the terms' worst cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from architecture.design import Design
from simulator.failover.checks import detection_s
from simulator.failover.delays import EDGE_RETRY_DELAY_S, EDGE_TRIES
from simulator.failover.faults import PRIMARY_FAULTS, FaultName, faults_of
from simulator.failover.parts import fallback_of, longest_pause_s
from simulator.failover.term_bounds import standby_gone_bound_s, term_bounds_s
from simulator.failover.terms import Terms, TermTimes, resolve
from simulator.failover.ways import ways_in

OPERATIONS = ("read", "write", "chat")


def failover_bound_s(
    design: Design, faults: Sequence[FaultName] | None = None, primary: str | None = None
) -> dict[str, dict[str, float]]:
    """Longest outage by fault and operation that the settings allow, seconds.

    It is the outage of an insistent client: one that has a request under way when the fault
    strikes, or sends one during the outage, and tries again whenever it fails. (Where it is the
    way in that is lost, each client finds that out by itself: there, one that has a request under
    way.) Not in it: the time the successful request itself is worked on, and a clinician's pause.
    0 for what the fault does not touch, infinite when nothing in the design ends the outage. With
    ``dual-m3-ultra``'s settings a write waits at most 9 (failure detector) + 0.5 (it acts)
    + 2 (peers) + 3 (promotion) + 1 (check) + 0.3 (reconnection) + 1.5 (client) = 17.3 s after a
    power loss; without the detector, with 20 (lease) + 0.5 instead of 9.5, 28.3 s.

    Without a ``primary`` it holds wherever the primary is: nodes change places, and the standby's
    site may then be the one that serves the API.
    """
    primaries = design.database.sites if primary is None else (primary,)
    return {
        fault: _worst([_by_operation(design, resolve(design, fault, site)) for site in primaries])
        for fault in (faults_of(design) if faults is None else faults)
    }


def _worst(bounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {operation: max(bound[operation] for bound in bounds) for operation in OPERATIONS}


def _by_operation(design: Design, terms: Terms) -> dict[str, float]:
    client = design.workload.client
    bounds = term_bounds_s(design, terms)
    read_s, write_s = database_ready_s(design, terms, bounds)
    held_s = design.api.request_timeout_s
    pause_s = longest_pause_s(design.workload.client)
    if terms.fault == "switchover":
        # Requests are held by the API; only a move that takes longer makes any of them fail.
        fails = read_s - bounds.detect_s > held_s
        read_s = write_s = read_s + pause_s if fails else read_s
    else:
        read_s, write_s = (ready + pause_s if ready > 0 else 0.0 for ready in (read_s, write_s))
    way_s = {
        timeout_s: _way_s(design, terms, bounds, timeout_s)
        for timeout_s in (client.timeout_s, client.chat_timeout_s)
    }
    short_s, long_s = way_s[client.timeout_s], way_s[client.chat_timeout_s]
    chat = design.workload.demands.get("chat")
    if chat is None or chat.needs_database:
        long_s = max(long_s, read_s)
    if terms.fault == "inference-crash":
        return {"read": 0.0, "write": 0.0, "chat": api_ready_s(terms, bounds) + pause_s}
    return {"read": max(short_s, read_s), "write": max(short_s, write_s), "chat": long_s}


def database_ready_s(design: Design, terms: Terms, bounds: TermTimes) -> tuple[float, float]:
    """Longest time until the API can read, and until it can write; 0 when it always can."""
    if terms.fault in PRIMARY_FAULTS or terms.fault in {"database-crash", "switchover"}:
        ready_s = _primary_ready_s(design, terms, bounds)
        return ready_s, ready_s
    return 0.0, _cloud_or_commits_s(design, terms, bounds)


def _primary_ready_s(design: Design, terms: Terms, b: TermTimes) -> float:
    led_s = b.election_s + b.promote_s + b.reroute_s
    if terms.fault not in PRIMARY_FAULTS:
        return b.detect_s + led_s + b.reconnect_s
    given_up_s = 0.0
    if design.database.managed is None:
        given_up_s = detection_s(design.edge.database_check, silent=terms.silent)
    return max(b.lease_s + led_s, given_up_s) + b.reconnect_s


def _cloud_or_commits_s(design: Design, terms: Terms, b: TermTimes) -> float:
    """Longest time until somebody can write again where reading never stops."""
    if terms.fault == "standby-power-loss":
        gone_s = math.inf if math.isinf(b.detect_s) else standby_gone_bound_s()
        return gone_s + b.election_s if b.election_s > 0 or math.isinf(gone_s) else 0.0
    if terms.fault == "both-power-loss":
        return b.detect_s + b.election_s + b.promote_s
    if terms.fault == "site-loss":
        rule = fallback_of(design).site_loss
        automatic = rule.decided_by == "automatic"
        decided_s = b.detect_s + rule.after_s if automatic else max(b.detect_s, rule.after_s)
        return decided_s + b.promote_s
    return math.inf if terms.fault == "balancer-loss" and terms.at_cloud else 0.0


def api_ready_s(terms: Terms, bounds: TermTimes) -> float:
    """Longest time until the balancer leads to a living API (or model) after a process's end."""
    survives = terms.chat_survives if terms.fault == "inference-crash" else terms.api_survives
    if survives:
        return bounds.promote_s
    return bounds.promote_s + bounds.reroute_s


def _way_s(design: Design, terms: Terms, bounds: TermTimes, timeout_s: float) -> float:
    """Longest time until a request whose time-out is ``timeout_s`` reaches a living API."""
    pause_s = longest_pause_s(design.workload.client)
    if terms.dead_ways:
        return _other_way_s(design, terms, bounds, timeout_s) + pause_s
    if not terms.api_struck:
        return 0.0
    if terms.fault == "api-crash":
        rerouted_s = api_ready_s(terms, bounds)
    elif terms.api_survives:
        rerouted_s = detection_s(design.edge.api_check, silent=terms.silent)
    else:
        return math.inf
    return rerouted_s + _edge_delay_s(design, terms, timeout_s) + pause_s


def _other_way_s(design: Design, terms: Terms, bounds: TermTimes, timeout_s: float) -> float:
    """A request under way lasts its time-out; then each dead way in is tried, and left."""
    client = design.workload.client
    if terms.shared:
        return max(timeout_s, bounds.detect_s + client.connect_timeout_s)
    if ways_in(design) <= terms.dead_ways:
        return math.inf
    each_s = (
        client.leave_after_s + longest_pause_s(design.workload.client) + client.connect_timeout_s
    )
    return timeout_s + terms.dead_ways * each_s


def _edge_delay_s(design: Design, terms: Terms, client_timeout_s: float) -> float:
    """How long after the rerouting a request sent just before it can still fail."""
    if terms.response == "refused":
        return (EDGE_TRIES - 1) * EDGE_RETRY_DELAY_S
    check = design.edge.api_check
    if not check.close_sessions_when_down:
        return client_timeout_s
    return check.timeout_s if terms.response == "silent" else 0.0
