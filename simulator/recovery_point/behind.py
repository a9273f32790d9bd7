"""How far the copy that survives is behind, by fault and by the way data reach it.

``behind`` is the age of the newest write that the surviving copy surely has: what was acknowledged
later is lost. It is

- 0 where a write is acknowledged only after the surviving copy has it (synchronous replication,
  documents acknowledged by both);
- one way over the network, and now and then a retransmission, where copies are streamed without
  waiting (asynchronous replication, Redis, the cloud's standby, the bucket);
- anything up to the interval, and the copying itself, where copies are made every so often (rsync);
- the age of a cut, where the copy could not be reached when the fault struck.

With the standby lost, a relaxed synchronous primary goes on alone (D-02): until the standby is back
every write is on one node only, and what a second loss costs is what the cloud's copy lacks, or,
where nothing else exists, everything since the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from architecture.design import Design
from architecture.values import Range
from simulator.failover.delays import Triple
from simulator.failover.faults import FaultName
from simulator.streams import FloatArray

Store = Literal["database", "documents", "cache"]

#: Faults that leave one node of the hospital, and those that leave the cloud alone.
ONE_NODE: frozenset[FaultName] = frozenset(
    {"primary-power-loss", "primary-crash", "primary-hang", "primary-partition"}
)
CLOUD_ALONE: frozenset[FaultName] = frozenset({"both-power-loss", "site-loss"})

#: A sender wakes up and sends within so long: engineering estimate.
SENDING_S: Triple = (0.0002, 0.001, 0.01)
#: Share of writes that a lost segment delays, and by how much: Linux retransmits after 0.2 s and
#: doubles (engineering estimate of the share).
RETRANSMITTED = 0.01
RETRANSMISSION_S: Triple = (0.2, 0.4, 1.6)
#: How long rsync takes to copy what is new: engineering estimate for documents of megabytes.
COPYING_S: Triple = (0.1, 0.5, 2.0)


@dataclass(frozen=True)
class Behind:
    """How far the surviving copy is behind.

    Attributes:
        how: In words, for people.
        one_way_s: Streaming delay; None where none is at stake.
        interval_s: Of copies made every so often; 0 where they are streamed.
        cut_s: Age of a cut that already lasted when the fault struck.
        waits: Whether acknowledgements wait for the surviving copy: nothing can be lost.
        nothing_left: Whether no copy survives at all.
    """

    how: str
    one_way_s: Triple | None = None
    interval_s: float = 0.0
    cut_s: float = 0.0
    waits: bool = False
    nothing_left: bool = False

    def draw(self, generator: np.random.Generator, size: int) -> FloatArray:
        """``size`` values in seconds, each of one fault at a random moment."""
        if self.waits:
            return np.zeros(size)
        if self.nothing_left:
            return np.full(size, math.inf)
        behind_s = np.full(size, self.cut_s)
        if self.one_way_s is not None:
            shares = generator.random((3, size))
            behind_s += _quantiles(self.one_way_s, shares[0])
            behind_s += _quantiles(SENDING_S, shares[1])
            late = generator.random(size) < RETRANSMITTED
            behind_s += np.where(late, _quantiles(RETRANSMISSION_S, shares[2]), 0.0)
        if self.interval_s > 0:
            behind_s += generator.uniform(0, self.interval_s, size)
            behind_s += _quantiles(COPYING_S, generator.random(size))
        return behind_s


def behind(
    design: Design, fault: FaultName, store: Store = "database", *, wan_cut_s: float = 0.0
) -> Behind:
    """What survives ``fault``, and how far it is behind.

    Args:
        design: Replication and links.
        fault: Which fault.
        store: Which data: the database, documents, or the cache (Redis).
        wan_cut_s: For how long the WAN was cut already when the fault struck.
    """
    if store == "documents":
        return _documents(design, fault, wan_cut_s)
    if store == "cache":
        return _cache(design, fault)
    return _database(design, fault, wan_cut_s)


def _database(design: Design, fault: FaultName, wan_cut_s: float) -> Behind:
    database = design.database
    if database.managed is not None:
        return Behind("the provider's second zone is synchronous", waits=True)
    if fault in ONE_NODE:
        return _one_node(design)
    if fault in CLOUD_ALONE:
        if database.cloud_standby is None:
            return Behind("no copy outside the hospital", nothing_left=True)
        return Behind(
            "the cloud's standby is streamed to without waiting",
            one_way_s=_one_way(design, "cloud"), cut_s=wan_cut_s,
        )  # fmt: skip
    return Behind("the primary goes on, or hands over in order", waits=True)


def _one_node(design: Design) -> Behind:
    database = design.database
    if database.replication == "none":
        return Behind("no second copy", nothing_left=True)
    if database.replication == "asynchronous" or database.commit == "local":
        return Behind(
            "the standby is streamed to without waiting", one_way_s=_one_way(design, "node")
        )
    if database.commit == "remote_write":
        return Behind("the standby has every acknowledged write in memory", waits=True)
    return Behind("a commit waits until the standby has it on disk", waits=True)


def _documents(design: Design, fault: FaultName, wan_cut_s: float) -> Behind:
    documents = design.documents
    if documents is None or documents.method in {"object-store", "distributed"}:
        return Behind("one copy as far as the design is concerned", waits=True)
    if fault in ONE_NODE:
        if documents.method == "rsync":
            return Behind(
                f"rsync copies every {documents.interval_s:g} s", interval_s=documents.interval_s
            )
        return Behind("a document is acknowledged when both nodes hold it", waits=True)
    if fault in CLOUD_ALONE:
        if documents.bucket is None:
            return Behind("no document leaves the hospital", nothing_left=True)
        return Behind(
            "the bucket gets every document after it is acknowledged",
            one_way_s=_one_way(design, "cloud"), cut_s=wan_cut_s,
        )  # fmt: skip
    return Behind("a node that holds every document goes on", waits=True)


def _cache(design: Design, fault: FaultName) -> Behind:
    cache = design.cache
    if cache is None or fault not in ONE_NODE | CLOUD_ALONE:
        return Behind("nothing of the cache is lost", waits=True)
    if fault in CLOUD_ALONE or len(cache.sites) < 2:  # noqa: PLR2004
        return Behind("no copy of the cache survives: it is made anew", nothing_left=True)
    return Behind(
        "Redis acknowledges before its replica has a write", one_way_s=_one_way(design, "node")
    )


def _one_way(design: Design, to: Literal["node", "cloud"]) -> Triple:
    """Half the round trip of the link to where the copy is."""
    nodes = set(design.database.sites)
    ends = {"cloud"} | set(design.sites_with("bucket"))
    for link in design.links:
        between = set(link.between)
        wanted = between <= nodes if to == "node" else bool(between & ends)
        if wanted:
            return _half(link.round_trip_s)
    # Without a link in the design: what a switch or a metropolitan line takes.
    return (0.00003, 0.0001, 0.0005) if to == "node" else (0.002, 0.006, 0.03)


def _half(round_trip_s: Range) -> Triple:
    return round_trip_s.low / 2, round_trip_s.typical / 2, round_trip_s.high / 2


def _quantiles(figure: Triple, shares: FloatArray) -> FloatArray:
    """Quantiles of the triangular distribution on (low, typical, high)."""
    low, mode, high = figure
    if high <= low:
        return np.full(len(shares), mode)
    rising = low + np.sqrt(shares * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - shares) * (high - low) * (high - mode))
    found: FloatArray = np.where(shares < (mode - low) / (high - low), rising, falling)
    return found


def wan_down_share(design: Design) -> float:
    """Share of time the WAN is down, by the design's typical figures; 0 when it gives none.

    MTTR / (MTBF + MTTR): with 2,200 h and 2 h, 0.09 %.
    """
    mode = design.failures.get("wan")
    if mode is None:
        return 0.0
    mttr_h = mode.mean_time_to_repair_h.typical
    return mttr_h / (mode.mean_time_between_failures_h.typical + mttr_h)
