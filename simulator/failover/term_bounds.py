"""The worst case of each term, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from architecture.design import Design
from simulator.failover.checks import detection_s, down_s, marked_up_s
from simulator.failover.delays import (
    API_START_S,
    CATCH_UP_S,
    CLOUD_ACTS_S,
    CONTROLLER_RESTS_S,
    CRASH_RECOVERY_S,
    DETECTOR_ACTS_S,
    EDGE_QUESTION_S,
    KEEPER_LOOKS_EVERY_S,
    LEASE_EXTENSION_ELECTIONS,
    LEASE_SCAN_S,
    MODEL_START_S,
    MOVE_BEGINS_S,
    MOVE_LOOKS_EVERY_S,
    PATRONI_LOOKS_S,
    PEER_STATUS_TIMEOUT_S,
    RESTART_PAUSE_S,
    SHUTDOWN_S,
    STANDBY_SILENCE_S,
    STATUS_RETRY_S,
)
from simulator.failover.faults import FaultName
from simulator.failover.parts import (
    fallback_of,
    heir_patience_s,
    reconnection_s,
    site_questions,
)
from simulator.failover.terms import Terms, TermTimes, survives_standby

NEVER = TermTimes(math.inf, math.inf, math.inf, math.inf, math.inf, math.inf)


def term_bounds_s(design: Design, terms: Terms) -> TermTimes:
    """Longest value of each term after the fault that ``terms`` resolve, seconds.

    Each by itself: they need not all be at their longest in one failover.
    """
    return _BOUNDS[terms.fault](design, terms)


def _primary(design: Design, terms: Terms) -> TermTimes:
    database, edge = design.database, design.edge
    reconnect_s = reconnection_s(design)
    if database.managed is not None:
        return TermTimes(promote_s=database.managed.failover_s.high, reconnect_s=reconnect_s)
    silent = terms.silent
    detect_s = detection_s(edge.database_check, silent=silent)
    if terms.api_struck:
        detect_s = max(detect_s, detection_s(edge.api_check, silent=silent))
    if terms.standby is None:
        return replace(NEVER, detect_s=detect_s)
    return TermTimes(
        detect_s=detect_s,
        lease_s=lease_bound_s(design, terms),
        election_s=PEER_STATUS_TIMEOUT_S if silent else 0.0,
        promote_s=database.promotion_s[2],
        reroute_s=marked_up_s(edge.database_check),
        reconnect_s=reconnect_s,
    )


def lease_bound_s(design: Design, terms: Terms) -> float:
    """Longest time until the dead primary's lease is gone.

    It runs out after its whole length, seen up to half a second late, and starts anew when etcd's
    own leader is lost with it; or the failure detector, if there is one, revokes it before.
    """
    lease, consensus = design.database.lease, design.database.consensus
    if lease is None or consensus is None:
        return math.inf
    expiry_s = float(lease.ttl_s)
    at_risk = terms.etcd_leader_risk > 0
    if at_risk:
        expiry_s += (2 + LEASE_EXTENSION_ELECTIONS) * consensus.election_timeout_s
    free_s = expiry_s + LEASE_SCAN_S
    if terms.detector is None:
        return free_s
    found_s = detection_s(terms.detector, silent=terms.silent)
    if at_risk:
        found_s = max(found_s, 2 * consensus.election_timeout_s)
    return min(free_s, found_s + DETECTOR_ACTS_S[1])


def _database(design: Design, _terms: Terms) -> TermTimes:
    lease = design.database.lease
    check = design.edge.database_check
    failed_s = min(STATUS_RETRY_S, check.timeout_s)
    loop_s = math.inf if lease is None else float(lease.loop_wait_s)
    back_s = loop_s + CRASH_RECOVERY_S[2]
    given_up_s = down_s(check, 0.0, failed_s)
    reroute_s = 0.0
    if back_s > given_up_s:
        reroute_s = marked_up_s(check)
        if back_s > given_up_s + check.settled_down_interval_s:
            reroute_s += failed_s  # a check that began just before the server was back
    return TermTimes(
        detect_s=loop_s,
        promote_s=CRASH_RECOVERY_S[2],
        reroute_s=reroute_s,
        reconnect_s=reconnection_s(design),
    )


def _api(design: Design, terms: Terms) -> TermTimes:
    return _process(design, API_START_S[2], survives=terms.api_survives)


def _model(design: Design, terms: Terms) -> TermTimes:
    return _process(design, MODEL_START_S[2], survives=terms.chat_survives)


def _process(design: Design, start_s: float, *, survives: bool) -> TermTimes:
    check = design.edge.api_check
    soonest_s = down_s(check, 0.0, 0.0)
    back_s = RESTART_PAUSE_S + start_s
    if survives:
        ends_s = min(detection_s(check, silent=False), back_s)
        return TermTimes(detect_s=ends_s if soonest_s <= back_s else 0.0, promote_s=ends_s)
    return TermTimes(promote_s=back_s, reroute_s=marked_up_s(check) if back_s > soonest_s else 0.0)


def _switchover(design: Design, terms: Terms) -> TermTimes:
    if terms.standby is None:
        return TermTimes()
    return TermTimes(
        detect_s=MOVE_BEGINS_S[2],
        election_s=CATCH_UP_S,
        promote_s=SHUTDOWN_S[2] + design.database.promotion_s[2],
        reroute_s=MOVE_LOOKS_EVERY_S,
        reconnect_s=reconnection_s(design),
    )


def standby_gone_bound_s() -> float:
    """Longest time until nobody waits for a silent standby's answers any more."""
    return STANDBY_SILENCE_S + KEEPER_LOOKS_EVERY_S


def _standby(design: Design, terms: Terms) -> TermTimes:
    if not survives_standby(design, terms.primary):
        return TermTimes(detect_s=math.inf)
    database, lease = design.database, design.database.lease
    api_s = 0.0
    if terms.api_struck:
        api_s = detection_s(design.edge.api_check, silent=True)
    if database.replication == "asynchronous" or database.commit == "local" or lease is None:
        return TermTimes(detect_s=api_s)
    strict = database.replication == "synchronous-strict"
    return TermTimes(
        detect_s=max(standby_gone_bound_s(), api_s),
        election_s=math.inf if strict else PATRONI_LOOKS_S[2],
    )


def _both(design: Design, _terms: Terms) -> TermTimes:
    check = fallback_of(design).check
    by_balancers_s = max(
        detection_s(rule, silent=True)
        for rule in (design.edge.api_check, design.edge.database_check)
    )
    return TermTimes(
        detect_s=max(
            detection_s(check, silent=True),
            by_balancers_s + check.transition_interval_s,
        ),
        election_s=check.timeout_s,
        promote_s=CLOUD_ACTS_S[2] + design.database.promotion_s[2],
    )


def _site(design: Design, _terms: Terms) -> TermTimes:
    fallback = fallback_of(design)
    check, rule = fallback.check, fallback.site_loss
    soonest_s = check.fall * check.timeout_s + (check.fall - 1) * check.transition_interval_s
    wait_s = rule.after_s
    if rule.decided_by == "operator":
        wait_s = max(0.0, rule.after_s - soonest_s)
    return TermTimes(
        detect_s=detection_s(check, silent=True),
        election_s=wait_s,
        promote_s=CONTROLLER_RESTS_S + site_questions(design) * EDGE_QUESTION_S + CLOUD_ACTS_S[2]
        + design.database.promotion_s[2],
    )  # fmt: skip


def _balancer(design: Design, terms: Terms) -> TermTimes:
    shared = design.edge.shared_address
    if not terms.shared or shared is None:
        return TermTimes(detect_s=math.inf)
    return TermTimes(detect_s=heir_patience_s(shared.advertisement_s))


_BOUNDS: Mapping[FaultName, Callable[[Design, Terms], TermTimes]] = {
    "primary-power-loss": _primary,
    "primary-crash": _primary,
    "primary-hang": _primary,
    "primary-partition": _primary,
    "database-crash": _database,
    "api-crash": _api,
    "inference-crash": _model,
    "switchover": _switchover,
    "standby-power-loss": _standby,
    "both-power-loss": _both,
    "site-loss": _site,
    "balancer-loss": _balancer,
}
