"""Many faults, one after the other: the samples behind a predicted recovery time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from architecture.design import Design
from simulator.failover import draw_circumstances, recover
from simulator.failover_clients import OPERATIONS, Clients
from simulator.failover_terms import FAULTS, FaultName, resolve
from simulator.step_times import StepTimesRange
from simulator.streams import Streams

Progress = Callable[[str], None]


def failover_samples(
    design: Design, *, seed: int = 1, replications: int = 1000,
    faults: Sequence[FaultName] = FAULTS, primary: str | None = None,
    step_times: StepTimesRange | None = None, latency_s: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Simulate ``replications`` faults of each kind; one row a replication, fault and operation.

    Columns: replication, fault, operation (read, write, chat; those the workload has), and in
    seconds after the fault: detect_s (the balancer has given the struck site up, for reads and
    writes API and database), lease_s (the lease is gone), promote_s (how long the promotion then
    took), reroute_s (how long until the balancer led connections there), outage_s (the first
    answer any client got is complete). The terms run partly side by side; a request that needs no
    database waits for the first alone and has 0 in the others. Infinite where nothing ends the
    outage.

    Args:
        design: What is struck.
        seed: Same seed, same table; replication n meets the same chance in every design.
        replications: Trials of each fault.
        faults: Which faults.
        primary: The site of the primary at the fault; the design's first by default.
        step_times: Of the language model; without them the chat's own answering time is left out.
        latency_s: Mean latencies in normal operation, see :class:`Clients`.
        progress: Told now and then.
    """
    clients = Clients(design, latency_s)
    demands = design.workload.demands
    rows: list[dict[str, object]] = []
    for fault in faults:
        terms = resolve(design, fault, primary)
        for replication in range(replications):
            if progress is not None and replication % 500 == 0:
                progress(f"{fault}: failover {replication + 1} of {replications}")
            streams = Streams(seed, replication)
            chance = draw_circumstances(design, terms, streams.generator("failover"))
            recovery = recover(design, terms, chance)
            firsts = clients.first_successes(
                terms, recovery, streams.generator("failover.clients"),
                step_times.draw(streams) if step_times is not None else None,
            )  # fmt: skip
            database = {
                "detect_s": max(recovery.rerouted_s, recovery.database_down_s),
                "lease_s": recovery.lease_s,
                "promote_s": _after(recovery.promoted_s, recovery.lease_s),
                "reroute_s": _after(recovery.database_up_s, recovery.promoted_s),
            }
            api_only = {"detect_s": recovery.rerouted_s, **dict.fromkeys(list(database)[1:], 0.0)}
            terms_of = {
                operation: database if demands[request].needs_database else api_only
                for request, operation in OPERATIONS.items()
                if request in demands
            }
            rows.extend(
                {
                    "replication": replication,
                    "fault": fault,
                    "operation": operation,
                    **terms_of[operation],
                    "outage_s": first.finished_s,
                }
                for operation, first in sorted(firsts.items())
            )
    return pd.DataFrame(rows)


def _after(later_s: float, earlier_s: float) -> float:
    """Difference of two times; infinite when the later never comes."""
    return later_s - earlier_s if later_s != float("inf") else later_s
