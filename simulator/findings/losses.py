"""D-02, D-04, D-05, D-06: what replication costs, and what it loses."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from architecture.design import Design
from architecture.values import Level
from evidence import Estimate
from simulator.failover import FaultName, failover_bound_s
from simulator.findings.detection import share_of
from simulator.findings.finding import Figure, Finding, Mend, calculated, over, within
from simulator.findings.inquiry import Inquiry
from simulator.recovery_point import central_loss, loss_samples, writes_per_s
from simulator.recovery_point.losses import some_loss_probability

STRICT = "database.replication=synchronous-strict"
NO_CLOUD = ("database.cloud_standby=null", "fallback=null")
RSYNC = (
    "documents.method=rsync", "documents.interval_s=5", "documents.conflicts=primary-wins",
    "documents.bucket=null",
)  # fmt: skip
HOURS_A_YEAR = 8766.0
OTHER_END: dict[Level, Level] = {"low": "high", "typical": "typical", "high": "low"}
PRIMARY: Final[FaultName] = "primary-power-loss"
STANDBY: Final[FaultName] = "standby-power-loss"


def losses_of_a_node(design: Design, level: Level) -> tuple[float, float]:
    """Losses of one node a year, and hours a year that it is away, by the design's own figures.

    ``level`` is low, typical or high *downtime*: high takes the shortest time between failures.
    """
    node = design.database.sites[-1]
    often = OTHER_END[level]
    count = hours = 0.0
    for key, mode in design.failures.items():
        if mode.struck(key) != "site" or (mode.sites is not None and node not in mode.sites):
            continue
        rate = HOURS_A_YEAR / mode.mean_time_between_failures_h.at(often)
        count += rate
        hours += rate * mode.mean_time_to_repair_h.at(level)
    return count, hours


def _over_levels(design: Design, which: int) -> Estimate:
    low, typical, high = (losses_of_a_node(design, level)[which] for level in LEVELS)
    return within(low, typical, high)


LEVELS: tuple[Level, ...] = ("low", "typical", "high")


def standby_loss(inquiry: Inquiry) -> Finding:
    """D-02: strict stops writes, relaxed leaves a single copy; how often, how long, how much."""
    design = inquiry.design
    strict = inquiry.variant(STRICT)
    relaxed_s = failover_bound_s(design, [STANDBY])[STANDBY]["write"]
    strict_s = failover_bound_s(strict, [STANDBY])[STANDBY]["write"]
    away = _over_levels(design, 1)
    second = within(*(
        2 * hours / HOURS_A_YEAR * count
        for count, hours in (losses_of_a_node(design, level) for level in LEVELS)
    ))  # fmt: skip
    lost = loss_samples(design, "both-power-loss", seed=inquiry.seed)
    promised = next(
        (o.at_most for o in design.objectives
         if o.metric == "rpo_s" and o.fault == "both-power-loss"), 60.0,
    )  # fmt: skip
    return Finding(
        id="D-02",
        claim="Strict synchronous replication stops writes when the standby is lost; relaxed, a "
        "second loss costs what was written since",
        method="calculation",
        how="longest stall in closed form; node losses from the design's rates; a second loss "
        "while one node is away: 2 · unavailability · rate; what it costs by simulation",
        evidence=(
            calculated("strict: longest stall of writes", strict_s, "s"),
            Figure(what="strict: writes stopped while the standby is away", value=away,
                   unit="h/year"),
            calculated("relaxed: longest stall of writes", relaxed_s, "s"),
            inquiry.outage("relaxed: stall of writes", design, STANDBY, "write"),
            Figure(what="relaxed: second losses while one node is away", value=second,
                   unit="1/year"),
            calculated(
                "relaxed, no copy in the cloud: written on one disk only until then",
                over(design.failures["node"].mean_time_to_repair_h) if "node" in design.failures
                else math.inf, "h",
            ),
        ),
        verdict="held" if math.isinf(strict_s) and second.estimate > 0 else "refuted",
        reason="both readings cost what is said: one all writes while the standby is away, the "
        f"other data at the second loss, {second.estimate:.2g} times a year",
        mend=Mend(
            what="relaxed, with the cloud's copy streamed to all the while: a second loss costs "
            "only what had not reached it",
            changes=("database.replication", "database.cloud_standby", "fallback"),
            evidence=(
                Figure(what="oldest lost write at a second loss", value=central_loss(lost, "rpo_s"),
                       unit="s"),
                calculated("promised when both nodes are lost (B-20)", float(promised or 0), "s"),
                Figure(what="share of second losses within it",
                       value=share_of((lost["rpo_s"] <= promised).to_numpy())),
            ),
        ),
        experiment="testbed chaos run standby-power-loss --design synchronous-strict",
    )  # fmt: skip


def documents_by_rsync(inquiry: Inquiry) -> Finding:
    """D-04: the age of what a sync every five seconds has not copied."""
    literal, design = inquiry.variant(*RSYNC), inquiry.design
    if literal.documents is None:
        raise ValueError(f"design {design.name}: documents are needed")
    lost = loss_samples(literal, PRIMARY, "documents", seed=inquiry.seed)
    kept = loss_samples(design, PRIMARY, "documents", seed=inquiry.seed)
    return Finding(
        id="D-04",
        claim="Documents copied every 5 s cannot have an RPO of 0",
        method="simulation",
        how="documents come at random at the workload's rate, the loss strikes at a random moment "
        "of the interval",
        evidence=(
            calculated("interval between two copies", literal.documents.interval_s, "s"),
            calculated("documents stored a second", writes_per_s(literal, "documents"), "1/s"),
            Figure(what="age of the newest copy at the fault",
                   value=central_loss(lost, "behind_s"), unit="s"),
            Figure(what="oldest lost document", value=central_loss(lost, "rpo_s"), unit="s"),
            Figure(what="share of faults that lose any",
                   value=share_of((lost["lost_writes"] > 0).to_numpy())),
            calculated(
                "the same in closed form, at the mean age",
                some_loss_probability(
                    writes_per_s(literal, "documents"), float(lost["behind_s"].mean())
                ),
            ),
        ),
        verdict="held" if float(lost["rpo_s"].max()) > 0 else "refuted",
        reason=f"{(lost['lost_writes'] > 0).mean():.1%} of faults lose a document",
        mend=Mend(
            what="acknowledge a document when both nodes hold it",
            changes=("documents.method=acknowledged-by-both",),
            evidence=(
                Figure(what="oldest lost document", value=central_loss(kept, "rpo_s"), unit="s"),
            ),
        ),
        experiment="testbed chaos run primary-power-loss --design rsync-documents",
    )  # fmt: skip


def primary_wins(inquiry: Inquiry) -> Finding:
    """D-05: how much is written elsewhere while the primary is away."""
    design = inquiry.design
    rate = writes_per_s(design, "documents")
    modes = [
        mode
        for key, mode in design.failures.items()
        if mode.struck(key) == "site"
        and (mode.sites is None or design.database.sites[0] in mode.sites)
    ]
    away_h = max(
        (mode.mean_time_to_repair_h for mode in modes), key=lambda r: r.typical, default=None
    )
    short_h = min(
        (mode.mean_time_to_repair_h for mode in modes), key=lambda r: r.typical, default=None
    )
    figures = [calculated("documents stored a second, all users at work", rate, "1/s")]
    if short_h is not None and away_h is not None:
        figures += [
            calculated(
                "thrown away after a restart",
                over(short_h, rate * 3600),
                "documents",
                short_h.source,
            ),
            calculated(
                "thrown away after the longest repair",
                over(away_h, rate * 3600),
                "documents",
                away_h.source,
            ),
        ]
    emergency = design.emergency
    if emergency is not None and emergency.recovery_h is not None:
        low_h, high_h = emergency.recovery_h
        share = emergency.users / design.workload.users
        figures.append(
            calculated(
                "thrown away after an emergency on the cloud",
                within(
                    low_h * rate * 3600 * share,
                    (low_h + high_h) / 2 * rate * 3600 * share,
                    high_h * rate * 3600 * share,
                ),
                "documents",
                "B-14: 2 to 4 hours; the emergency's users only",
            )
        )
    lossy = any(figure.value.estimate > 0 for figure in figures[1:])
    return Finding(
        id="D-05",
        claim='"primary_wins" throws away what was written elsewhere while the primary was away',
        method="calculation",
        how="rate of documents · time away: under this rule the returning primary's copy replaces "
        "each of them",
        evidence=tuple(figures),
        verdict="held" if lossy else "inconclusive",
        reason="every document written meanwhile is replaced by an older one" if lossy
        else "the workload stores no documents, or nothing takes the primary away",
        mend=Mend(
            what="keep both of two changes that did not know of each other",
            changes=("documents.conflicts=keep-both",),
            evidence=(calculated("thrown away", 0.0, "documents"),),
        ),
        experiment="testbed chaos run both-power-loss-after-wan-cut (the way back)",
    )  # fmt: skip


def redis(inquiry: Inquiry) -> Finding:
    """D-06: votes, and what asynchronous replication loses."""
    design = inquiry.design
    if design.cache is None:
        raise ValueError(f"design {design.name}: cache is needed")
    literal = 2
    lost = loss_samples(design, PRIMARY, "cache", seed=inquiry.seed)
    some = share_of((lost["lost_writes"] > 0).to_numpy())
    sentinels = len(design.cache.sentinels)
    return Finding(
        id="D-06",
        claim="Redis Cluster and Sentinel exclude each other; asynchronous replication loses "
        "acknowledged writes; Sentinel needs three voters",
        method="simulation",
        how="majorities counted; writes at the workload's rate into the replication delay",
        evidence=(
            calculated("masters a Redis Cluster needs at the least", 3.0,
                       source="Redis documentation, Scale with Redis Cluster: at least 3 masters"),
            calculated("nodes the documents give it", float(len(design.cache.sites))),
            calculated("sentinels on two nodes: needed for a majority", float(literal // 2 + 1)),
            calculated("… left when one node is lost", float(literal - 1)),
            Figure(what="replica behind at the fault", value=central_loss(lost, "behind_s"),
                   unit="s"),
            Figure(what="share of faults that lose an acknowledged write", value=some),
        ),
        verdict="held" if literal - 1 < literal // 2 + 1 and some.upper > 0
        and bool(np.any(lost["lost_writes"] > 0)) else "refuted",
        reason="with two voters none is elected after a loss, and what was acknowledged within the "
        "replication delay is gone",
        mend=Mend(
            what="one master, one replica, a third sentinel beside the witness, and only data that "
            "can be made anew",
            changes=("cache.sentinels",),
            evidence=(
                calculated("sentinels: needed for a majority", float(sentinels // 2 + 1)),
                calculated("… left when one node is lost", float(sentinels - 1)),
            ),
        ),
        experiment="testbed chaos run primary-power-loss (the ledger of Redis is not read)",
    )  # fmt: skip
