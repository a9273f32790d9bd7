"""Many faults, one after the other: the samples behind a predicted recovery time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import pandas as pd

from architecture.design import Design
from architecture.workload import RequestName
from simulator.failover.circumstances import draw_circumstances
from simulator.failover.clients import OPERATIONS, Clients
from simulator.failover.course import recover
from simulator.failover.faults import FaultName, faults_of
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms, TermTimes, resolve
from simulator.failover.ways import ways_in
from simulator.step_times import StepTimesRange
from simulator.streams import Streams

Progress = Callable[[str], None]


def failover_samples(
    design: Design, *, seed: int = 1, replications: int = 1000,
    faults: Sequence[FaultName] | None = None, primary: str | None = None,
    step_times: StepTimesRange | None = None, latency_s: Mapping[str, float] | None = None,
    word_after_s: float | None = None, progress: Progress | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Simulate ``replications`` faults of each kind; one row a replication, fault and operation.

    Columns: replication, fault, operation (read, write, chat; those the workload has); in seconds,
    the terms of :mod:`simulator.failover.terms` on the way of that operation (detect_s, lease_s,
    election_s, promote_s, reroute_s, reconnect_s; 0 where the operation does not need them);
    pause_s (how long no new request could be served); outage_s (from the fault until the first
    answer any client got that no failure followed for ten seconds is complete). Infinite where
    nothing ends the outage.

    Args:
        design: What is struck.
        seed: Same seed, same table; replication n meets the same chance in every design.
        replications: Trials of each fault.
        faults: Which faults; all that can strike the design by default.
        primary: The site of the primary at the fault; the design's first by default.
        step_times: Of the language model; without them the chat's own answering time is left out.
        latency_s: Mean latencies in normal operation, see :class:`Clients`.
        word_after_s: When a person confirms the loss of the site, seconds after the fault; the
            design's ``fallback.site_loss.after_s`` by default.
        progress: Told now and then.
    """
    clients = Clients(design, latency_s)
    rows: list[dict[str, object]] = []
    for fault in faults_of(design) if faults is None else faults:
        terms = resolve(design, fault, primary)
        for replication in range(replications):
            if progress is not None and replication % 500 == 0:
                progress(f"{fault}: failover {replication + 1} of {replications}")
            streams = Streams(seed, replication)
            chance = draw_circumstances(streams.generator("failover"))
            recovery = recover(design, terms, chance, word_after_s=word_after_s)
            firsts = clients.first_successes(
                terms, recovery, streams.generator("failover.clients"),
                step_times.draw(streams) if step_times is not None else None,
            )  # fmt: skip
            for request, operation in sorted(OPERATIONS.items(), key=lambda item: item[1]):
                if operation in firsts:
                    rows.append(
                        {
                            "replication": replication,
                            "fault": fault,
                            "operation": operation,
                            **asdict(terms_of(design, recovery, request)),
                            "pause_s": pause_s(design, terms, recovery, request),
                            "outage_s": firsts[operation].finished_s,
                        }
                    )
    return pd.DataFrame(rows)


def terms_of(design: Design, recovery: Recovery, request: RequestName) -> TermTimes:
    """The terms that ``request`` waits for: all of them when it needs what was lost."""
    demand = design.workload.demands[request]
    waits_for_s = recovery.writes_s if demand.commits else recovery.reads_s
    if (demand.needs_database and waits_for_s > 0) or recovery.takeover_s > 0:
        return recovery.terms
    way_s = recovery.chat_s if request == "chat" else recovery.api_s
    if way_s > 0:
        return replace(TermTimes(), detect_s=way_s)
    return TermTimes()


def pause_s(design: Design, terms: Terms, recovery: Recovery, request: RequestName) -> float:
    """How long no new request of this kind could be served, at the soonest."""
    demand = design.workload.demands[request]
    ready_s = recovery.chat_s if request == "chat" else recovery.api_s
    if demand.needs_database:
        ready_s = max(ready_s, recovery.writes_s if demand.commits else recovery.reads_s)
    if terms.dead_ways:
        left_s = terms.dead_ways * design.workload.client.leave_after_s
        next_s = left_s if ways_in(design) > terms.dead_ways else math.inf
        ready_s = max(ready_s, min(recovery.takeover_s, next_s))
    return ready_s - recovery.begins_s if ready_s > 0 else 0.0
