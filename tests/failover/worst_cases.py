"""Searching for worst cases: many faults, with most of what chance decides at one end or other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache

import numpy as np

from architecture import Design, load_design
from architecture.workload import RequestName
from simulator.failover import Circumstances, FaultName, TermTimes, recover, resolve
from simulator.failover.attempts import until_served
from simulator.failover.circumstances import SHARES
from simulator.failover.faults import PROCESS_FAULTS
from simulator.failover.parts import mean_pause_s
from simulator.failover.recovery import Recovery

# B-04's checks without the tuning, and Patroni's defaults (D-03).
LITERAL = (
    "edge.api_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
    "edge.database_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
    "database.lease={ttl_s: 30, loop_wait_s: 10, retry_timeout_s: 10}",
    "database.failure_detector=null",
)
LEASE_ALONE = "database.failure_detector=null"
# A chat without a patient's context: the operation that only the way to the API holds up.
WITHOUT_DATABASE = "workload.demands.chat.needs_database=false"
VARIANTS = {
    "tuned": ("dual-m3-ultra", ()),
    "local": ("local", ()),
    "lease-alone": ("dual-m3-ultra", (LEASE_ALONE,)),
    "literal": ("dual-m3-ultra", LITERAL),
    "open-sessions": (
        "local",
        ("edge.api_check.close_sessions_when_down=false",
         "edge.database_check.close_sessions_when_down=false"),
    ),
    "etcd-leader-anywhere": ("dual-m3-ultra", ("database.consensus.preferred_leader=null",)),
    "single-balancer": ("single-balancer", ()),
    "automatic-site-loss": (
        "local", ("fallback.site_loss={decided_by: automatic, after_s: 60}",)
    ),
    "every-api-serves": ("local", ("edge.routing=roundrobin",)),
    "mac-mini-cluster": ("mac-mini-cluster", ()),
}  # fmt: skip
REQUESTS: dict[str, RequestName] = {"read": "lookup", "write": "note", "chat": "chat"}
TERMS = tuple(field.name for field in fields(TermTimes))
SEARCHED = 600
EXTREME = 0.45


def variant(name: str) -> Design:
    design, overrides = VARIANTS[name]
    return load_design(design, [*overrides, WITHOUT_DATABASE])


def circumstances(seed: int, count: int = SEARCHED) -> Iterator[Circumstances]:
    """By turns anywhere, and each share near 0 or near 1 with probability 0.45 each."""
    random = np.random.default_rng(seed)
    yield replace(
        Circumstances(**{share: 1 - 1e-6 * random.random() for share in SHARES}),
        lease_age=0.0, reply_age=0.0, advertisement=0.0, etcd_leader=0.0,
    )  # fmt: skip
    for number in range(count):
        ends = random.random(len(SHARES)) if number % 2 else np.ones(len(SHARES))
        tiny = 1e-6 * random.random(len(SHARES))
        drawn = np.where(
            ends < EXTREME, tiny, np.where(ends < 2 * EXTREME, 1 - tiny, random.random(len(SHARES)))
        )
        yield Circumstances(**dict(zip(SHARES, drawn.tolist(), strict=True)))


@cache
def courses(name: str, fault: FaultName) -> list[Recovery]:
    """What follows from :func:`circumstances`, and for processes from a search around the worst.

    Theirs is a near miss on top of extremes: the check just before the process is back.
    """
    design = variant(name)
    terms = resolve(design, fault)
    tried = [(chance, recover(design, terms, chance)) for chance in circumstances(seed=31)]
    if fault in PROCESS_FAULTS:
        worst = max(tried, key=lambda found: found[1].writes_s)[0]
        near = fault == "database-crash"
        grid = np.linspace(0, 1 - 1e-9, 40 if near else 400).tolist()
        around = [
            replace(worst, restart=restart, api_check=api, database_check=database, loop=loop)
            for restart in grid
            for api in ((0.9999,) if near else (0.0, 0.9999))
            for database in (grid if near else (0.0,))
            for loop in ((0.9999, 0.5) if near else (0.0,))
        ]
        tried += [(chance, recover(design, terms, chance)) for chance in around]
    return [course for _, course in tried]


def longest_outage_s(
    design: Design, fault: FaultName, recovery: Recovery, operation: str, clients: int = 1500
) -> float:
    """Of clients whose first attempt falls anywhere in the outage, the one that waits longest.

    The outage ends for a client when it is served; it counts from the fault.
    """
    terms = resolve(design, fault)
    random = np.random.default_rng(5)
    client = design.workload.client

    def pauses(size: int, failed: int) -> np.ndarray:
        spread = client.retry_jitter
        return mean_pause_s(client, failed) * random.uniform(1 - spread, 1 + spread, size)

    request = REQUESTS[operation]
    ends = [recovery.api_s]
    if design.workload.demands[request].needs_database:
        ends.append(recovery.writes_s if operation == "write" else recovery.reads_s)
    if operation == "chat":
        ends.append(recovery.chat_s)
    end_s = max(ends)
    if np.isinf(end_s):
        return float("inf")
    if terms.dead_ways:
        sent = np.full(clients, -1e-6)
    elif end_s == 0:
        return 0.0
    else:
        sent = np.append(np.linspace(-0.5, end_s - 1e-6, clients), [recovery.api_s - 1e-6])
    return float(until_served(design, terms, recovery, request, sent, pauses=pauses).served.max())
