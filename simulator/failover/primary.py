"""The primary's site is lost: checks, lease, election, promotion, rerouting (B-13).

Generator processes on purpose: this model is for reading and extending, not for millions of
customers.
"""

from __future__ import annotations

import math

from simpy import Environment, Process

from architecture.design import Design
from simulator.failover.checks import Steps, ended_s, marked_down, marked_up
from simulator.failover.circumstances import Circumstances
from simulator.failover.delays import (
    DETECTOR_ACTS_S,
    LEASE_EXTENSION_ELECTIONS,
    LEASE_SCAN_S,
    PEER_STATUS_TIMEOUT_S,
    at_share,
)
from simulator.failover.parts import reconnection_s
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms, TermTimes


def primary_lost(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """Play the loss of the primary's site through, to the last part's recovery."""
    if design.database.managed is not None:
        return _provider_changes_zone(design, terms, chance)
    env = Environment()
    edge = design.edge
    silent = terms.silent
    api = env.process(marked_down(env, edge.api_check, chance.api_check, silent=silent))
    database = env.process(
        marked_down(env, edge.database_check, chance.database_check, silent=silent)
    )
    if terms.standby is None:
        env.run(until=env.all_of([api, database]))
        never = math.inf
        times = TermTimes(max(ended_s(api), ended_s(database)), never, never, never, never, never)
        connected_s = never
    else:
        expiry = env.process(_lease_expires(env, design, terms, chance))
        revocation = env.process(_lease_revoked(env, design, terms, chance))
        lease = env.process(_lease_ends(env, expiry, revocation))
        election = env.process(_peers_asked(env, lease, terms))
        promotion = env.process(_promoted(env, election, design, chance))
        up = env.process(marked_up(env, edge.database_check, chance.standby_check, promotion))
        env.run(until=env.all_of([api, database, up]))
        reconnect_s = chance.reconnection * reconnection_s(design)
        connected_s = max(ended_s(database), ended_s(up)) + reconnect_s
        detect_s = max(ended_s(api) if terms.api_struck else 0.0, ended_s(database))
        times = TermTimes(
            detect_s=detect_s,
            lease_s=ended_s(lease),
            election_s=ended_s(election) - ended_s(lease),
            promote_s=ended_s(promotion) - ended_s(election),
            reroute_s=ended_s(up) - ended_s(promotion),
            reconnect_s=reconnect_s,
        )
    api_s = 0.0
    if terms.api_struck:
        api_s = ended_s(api) if terms.api_survives else math.inf
    return Recovery(times, api_s=api_s, chat_s=api_s, reads_s=connected_s, writes_s=connected_s)


def _provider_changes_zone(design: Design, _terms: Terms, chance: Circumstances) -> Recovery:
    managed = design.database.managed
    if managed is None:
        raise ValueError(f"design {design.name}: database.managed is needed")
    span = managed.failover_s
    promote_s = at_share((span.low, span.typical, span.high), chance.promotion)
    reconnect_s = chance.reconnection * reconnection_s(design)
    back_s = promote_s + reconnect_s
    times = TermTimes(promote_s=promote_s, reconnect_s=reconnect_s)
    return Recovery(times, reads_s=back_s, writes_s=back_s)


def _lease_expires(env: Environment, design: Design, terms: Terms, chance: Circumstances) -> Steps:
    """The lease was renewed some time before the fault; a new etcd leader starts it anew."""
    lease, consensus = design.database.lease, design.database.consensus
    if lease is None or consensus is None:
        raise ValueError(f"design {design.name}: database.lease and database.consensus are needed")
    if chance.etcd_leader < terms.etcd_leader_risk:
        yield env.timeout((1 + chance.election) * consensus.election_timeout_s)
        yield env.timeout(lease.ttl_s + LEASE_EXTENSION_ELECTIONS * consensus.election_timeout_s)
    else:
        yield env.timeout(lease.ttl_s - chance.lease_age * lease.loop_wait_s)
    yield env.timeout(chance.lease_scan * LEASE_SCAN_S)
    return float(env.now)


def _lease_revoked(env: Environment, design: Design, terms: Terms, chance: Circumstances) -> Steps:
    """The failure detector checks the site until it has failed ``fall`` times, then acts."""
    if terms.detector is None:
        yield env.timeout(math.inf)
        return math.inf
    down = env.process(marked_down(env, terms.detector, chance.detector_check, silent=terms.silent))
    if chance.etcd_leader < terms.etcd_leader_risk and design.database.consensus is not None:
        # Nothing can be revoked before etcd has a leader again.
        election_s = (1 + chance.election) * design.database.consensus.election_timeout_s
        yield env.all_of([down, env.timeout(election_s)])
    else:
        yield down
    low_s, high_s = DETECTOR_ACTS_S
    yield env.timeout(low_s + chance.detector_acts * (high_s - low_s))
    return float(env.now)


def _lease_ends(env: Environment, expiry: Process, revocation: Process) -> Steps:
    yield env.any_of([expiry, revocation])
    return float(env.now)


def _peers_asked(env: Environment, lease: Process, terms: Terms) -> Steps:
    """The standby's watch wakes it at once; it asks the dead leader too before it promotes."""
    yield lease
    if terms.silent:
        yield env.timeout(PEER_STATUS_TIMEOUT_S)
    return float(env.now)


def _promoted(env: Environment, election: Process, design: Design, chance: Circumstances) -> Steps:
    yield election
    yield env.timeout(at_share(design.database.promotion_s, chance.promotion))
    return float(env.now)
