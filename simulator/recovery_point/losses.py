"""From how far a copy is behind to what is lost: writes come at random, at the workload's rate.

An RPO in seconds is the age, at the fault, of the oldest acknowledged write that is lost; 0 when
none is (the definition experiments are measured by, :mod:`chaos.measures`).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from architecture.design import Design
from architecture.workload import Demand
from evidence import Estimate
from simulator.failover.faults import FaultName
from simulator.journey_chain import repeated_steps, transitions, visits
from simulator.recovery_point.behind import Store, behind
from simulator.statistics import central
from simulator.streams import Streams

CONFIDENCE = 0.95


def writes_per_s(design: Design, store: Store = "database") -> float:
    """Acknowledged writes a second when every user is at work and answers take no time.

    Users times writes of a round, over the mean length of a round's pauses: an upper bound, as
    answering takes some. Of the cache every access counts.
    """
    workload = design.workload
    steps = repeated_steps(workload)
    shares = visits(transitions(workload)).tolist()
    pause_s = sum(share * step.think_s.mean for share, step in zip(shares, steps, strict=True))
    writes = sum(
        share * _writes(workload.demands[step.request], store)
        for share, step in zip(shares, steps, strict=True)
    )
    return float(workload.users * writes / pause_s) if pause_s > 0 else 0.0


def _writes(demand: Demand, store: Store) -> int:
    if store == "documents":
        return int(demand.documents == "write")
    return demand.cache_accesses if store == "cache" else demand.commits


def loss_samples(
    design: Design, fault: FaultName, store: Store = "database", *, seed: int = 1,
    replications: int = 20_000, wan_cut_s: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """Simulate what ``fault`` costs, ``replications`` times.

    Columns: behind_s (how far the surviving copy was behind), rpo_s, lost_writes. Infinite where no
    copy is left.

    Args:
        design: Replication, links and workload.
        fault: Which fault.
        store: Which data.
        seed: Same seed, same table.
        replications: How often.
        wan_cut_s: For how long the WAN was cut already when the fault struck.
    """
    gap = behind(design, fault, store, wan_cut_s=wan_cut_s)
    streams = Streams(seed, 0)
    behind_s = gap.draw(streams.generator(f"behind.{store}.{fault}"), replications)
    if gap.nothing_left:
        lost: np.ndarray = np.full(replications, math.inf)
        rpo_s = behind_s
    else:
        writes = streams.generator(f"writes.{store}.{fault}")
        lost = writes.poisson(writes_per_s(design, store) * behind_s).astype(float)
        # The oldest of n moments uniform on the gap: its share is the largest of n uniform values.
        shares = writes.random(replications) ** (1 / np.maximum(lost, 1))
        rpo_s = np.where(lost > 0, shares * behind_s, 0.0)
    return pd.DataFrame({"behind_s": behind_s, "rpo_s": rpo_s, "lost_writes": lost})


def central_loss(samples: pd.DataFrame, metric: str) -> Estimate:
    """Where one further trial's ``rpo_s`` or ``lost_writes`` is expected, with 95 %."""
    return central(samples[metric].to_numpy(dtype=float), CONFIDENCE)


def some_loss_probability(rate_per_s: float, behind_s: float) -> float:
    """Probability that at least one write falls into the gap: 1 − exp(−rate · gap)."""
    return -math.expm1(-rate_per_s * behind_s)


def expected_loss_s(rate_per_s: float, behind_s: float) -> float:
    """Mean RPO with a fixed gap L and Poisson writes of rate λ: L − (1 − exp(−λL)) / λ."""
    if rate_per_s <= 0:
        return 0.0
    return behind_s - some_loss_probability(rate_per_s, behind_s) / rate_per_s
