"""How long failovers take on average: the one thing taken from the failover model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from architecture.design import Design
from simulator.availability.structure import Structure
from simulator.failover import failover_samples

REPLICATIONS = 100
SEED = 1

Fault = Literal[
    "primary-power-loss", "primary-hang", "database-crash", "api-crash", "standby-power-loss",
    "both-power-loss",
]  # fmt: skip
OF_A_PAIR: tuple[Fault, ...] = (
    "primary-power-loss", "primary-hang", "database-crash", "api-crash", "standby-power-loss",
)  # fmt: skip
OF_AN_EMERGENCY: tuple[Fault, ...] = ("both-power-loss",)


@dataclass(frozen=True)
class FailoverMeans:
    """Mean seconds after a fault in which some new request could not be served.

    Faults that are missing, and infinite means, are failovers that nothing ends by itself.
    """

    seconds: Mapping[str, float]

    def of(self, fault: str) -> float:
        """Of one fault."""
        return self.seconds.get(fault, math.inf)


def failover_means(structure: Structure) -> FailoverMeans:
    """The means of every failover that the design's structure can ask for."""
    faults: tuple[Fault, ...] = ()
    if len(structure.seats) > 1:
        faults += OF_A_PAIR
    if structure.emergency:
        faults += OF_AN_EMERGENCY
    return FailoverMeans({fault: _mean_s(structure.design, fault) for fault in faults})


def _mean_s(design: Design, fault: Fault) -> float:
    try:
        table = failover_samples(design, seed=SEED, replications=REPLICATIONS, faults=(fault,))
    except ValueError:  # nothing in the design answers to this fault
        return math.inf
    return float(table.groupby("replication")["pause_s"].max().mean())
