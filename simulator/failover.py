"""Failover as the machinery goes through it: checks, lease, election, promotion, rerouting.

Generator processes on purpose: this model is for reading and extending, not for millions of
customers. What chance decides is in :class:`Circumstances`, so that a worst case can be played
through the same model as a random one.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from simpy import Environment, Event, Process

from architecture.design import Design
from architecture.edge import HealthCheck
from simulator.events import Fired
from simulator.failover_bound import reconnection_s
from simulator.failover_terms import (
    DETECTOR_ACTS_S,
    LEASE_EXTENSION_ELECTIONS,
    LEASE_SCAN_S,
    PEER_STATUS_TIMEOUT_S,
    Terms,
    failed_check_s,
)
from simulator.streams import triangular

Steps = Generator[Event, object, float]


@dataclass(frozen=True)
class Circumstances:
    """What chance decides about one fault. Phases and shares are in [0, 1].

    Attributes:
        api_check: Share of the check interval left until the struck API is checked next.
        database_check: The same of the struck database.
        standby_check: Share of the interval left until the standby's database is checked next.
        detector_check: The same of the failure detector, if there is one.
        detector_acts_s: Seconds it needs to make sure, fence and revoke.
        lease_age: Age of the lease at the fault, as a share of loop_wait.
        lease_scan: Share of etcd's scan interval from the lease's end until it is seen.
        etcd_leader_lost: Whether etcd's own leader died with the site.
        election: Position of the raft election time-out between one and two time-outs.
        promotion_s: Seconds from the standby's decision to accepting writes.
        reconnection: Share of the longest reconnection delay the API happens to need.
    """

    api_check: float
    database_check: float
    standby_check: float
    detector_check: float
    detector_acts_s: float
    lease_age: float
    lease_scan: float
    etcd_leader_lost: bool
    election: float
    promotion_s: float
    reconnection: float


@dataclass(frozen=True)
class Recovery:
    """When each part of the way is whole again, seconds after the fault; infinite for never.

    Attributes:
        rerouted_s: The balancer sends requests to a living API.
        database_down_s: It has given the old primary up.
        lease_s: The lease is gone: it has run out, or was revoked.
        promoted_s: The standby accepts writes.
        database_up_s: The balancer sends connections there.
        connected_s: The API has a connection to the new primary.
    """

    rerouted_s: float
    database_down_s: float
    lease_s: float
    promoted_s: float
    database_up_s: float
    connected_s: float


def draw_circumstances(
    design: Design, terms: Terms, generator: np.random.Generator
) -> Circumstances:
    """One fault at a random moment."""
    phases = generator.random(8).tolist()
    return Circumstances(
        api_check=phases[0],
        database_check=phases[1],
        standby_check=phases[2],
        detector_check=phases[7],
        detector_acts_s=float(generator.uniform(*DETECTOR_ACTS_S)),
        lease_age=phases[3],
        lease_scan=phases[4],
        etcd_leader_lost=bool(generator.random() < terms.etcd_leader_risk),
        election=phases[5],
        promotion_s=triangular(*design.database.promotion_s, generator),
        reconnection=phases[6],
    )


def recover(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """Play one fault through, from its moment to the last part's recovery."""
    env = Environment()
    edge = design.edge
    api = env.process(_marked_down(env, edge.api_check, chance.api_check, terms))
    database = env.process(_marked_down(env, edge.database_check, chance.database_check, terms))
    if terms.standby is None:
        env.run(until=env.all_of([api, database]))
        lease_s = promoted_s = up_s = math.inf
    else:
        expiry = env.process(_lease_expires(env, design, chance))
        revocation = env.process(_lease_revoked(env, design, terms, chance))
        lease = env.process(_lease_ends(env, expiry, revocation))
        promotion = env.process(_promoted(env, lease, terms, chance))
        up = env.process(_marked_up(env, edge.database_check, chance.standby_check, promotion))
        env.run(until=env.all_of([api, database, up]))
        lease_s, promoted_s, up_s = _end_s(lease), _end_s(promotion), _end_s(up)
    rerouted_s = _end_s(api) if terms.api_survives else math.inf
    connected_s = max(_end_s(database), up_s) + chance.reconnection * reconnection_s(design)
    return Recovery(
        rerouted_s=rerouted_s if terms.api_struck else 0.0,
        database_down_s=_end_s(database),
        lease_s=lease_s,
        promoted_s=promoted_s,
        database_up_s=up_s,
        connected_s=connected_s,
    )


def _end_s(process: Fired) -> float:
    return float(process.value)


def _marked_down(env: Environment, check: HealthCheck, phase: float, terms: Terms) -> Steps:
    """The balancer checks the struck server until it has failed ``fall`` times in a row."""
    failed_s = failed_check_s(check, silent=terms.silent)
    yield env.timeout(phase * check.interval_s)
    yield env.timeout(failed_s)
    for _ in range(check.fall - 1):
        yield env.timeout(check.transition_interval_s)
        yield env.timeout(failed_s)
    return float(env.now)


def _marked_up(env: Environment, check: HealthCheck, phase: float, promotion: Process) -> Steps:
    """The balancer checks the standby, which fails until it is promoted, until it is up."""
    successes = 0
    yield env.timeout(phase * check.settled_down_interval_s)
    while True:
        successes = successes + 1 if promotion.triggered else 0
        if successes == check.rise:
            return float(env.now)
        rising = successes > 0
        yield env.timeout(check.transition_interval_s if rising else check.settled_down_interval_s)


def _lease_expires(env: Environment, design: Design, chance: Circumstances) -> Steps:
    """The lease was renewed some time before the fault; a new etcd leader starts it anew."""
    lease, consensus = design.database.lease, design.database.consensus
    if lease is None or consensus is None:
        raise ValueError(f"design {design.name}: database.lease and database.consensus are needed")
    if chance.etcd_leader_lost:
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
    down = env.process(_marked_down(env, terms.detector, chance.detector_check, terms))
    if chance.etcd_leader_lost and design.database.consensus is not None:
        # Nothing can be revoked before etcd has a leader again.
        election_s = (1 + chance.election) * design.database.consensus.election_timeout_s
        yield env.all_of([down, env.timeout(election_s)])
    else:
        yield down
    yield env.timeout(chance.detector_acts_s)
    return float(env.now)


def _lease_ends(env: Environment, expiry: Process, revocation: Process) -> Steps:
    yield env.any_of([expiry, revocation])
    return float(env.now)


def _promoted(env: Environment, lease: Process, terms: Terms, chance: Circumstances) -> Steps:
    """The standby's watch wakes it at once; it asks the dead leader too before it promotes."""
    yield lease
    if terms.silent:
        yield env.timeout(PEER_STATUS_TIMEOUT_S)
    yield env.timeout(chance.promotion_s)
    return float(env.now)
