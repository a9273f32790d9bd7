"""What replications of a network say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from architecture.station_network import StationNetwork
from evidence import Estimate
from simulator.replications import Replications
from simulator.statistics import (
    TAIL_QUANTILES,
    estimate_document,
    observations_needed,
)

# Loads from here on leave a queue without end no steady state.
SATURATED = 1.0


@dataclass(frozen=True)
class NetworkResult:
    """Estimates over replications, and the replications themselves.

    Attributes:
        network: What was simulated.
        replications: The metrics of each (see :class:`simulator.network.replication.NetworkTask`).
        estimates: Their means with t-intervals. A percentile for which some replication saw too few
            customers is left out, and so is whatever fewer than two replications observed.
        warmup_s: Time that was not observed.
        offered_load: What arrives at each station from open classes, in shares of its servers'
            capacity; without limits on queues there is no steady state from 1 on.
        notes: What a reader must know before relying on the numbers.
    """

    network: StationNetwork
    replications: Replications
    estimates: dict[str, Estimate]
    warmup_s: float
    offered_load: dict[str, float]
    notes: tuple[str, ...]

    @property
    def bottleneck(self) -> str:
        """The station with the highest utilisation."""
        stations = [
            name for name, spec in self.network.stations.items() if spec.discipline != "delay"
        ] or list(self.network.stations)
        return max(
            stations, key=lambda name: self.estimates[f"stations.{name}.utilisation"].estimate
        )

    def document(self) -> dict[str, Any]:
        """``journeys``, ``stations``, ``bottleneck``, ``warmup_s``, … as JSON."""
        tree: dict[str, Any] = {
            "journeys": {name: {} for name in self.network.classes},
            "stations": {name: {"offered_load": load} for name, load in self.offered_load.items()},
        }
        for metric in self.replications.metrics:
            found = self.estimates.get(metric)
            _put(tree, metric, None if found is None else estimate_document(found))
        return {
            **tree,
            "bottleneck": self.bottleneck,
            "warmup_s": self.warmup_s,
            "replications": len(self.replications.rows),
            "notes": list(self.notes),
        }

    def table(self) -> pd.DataFrame:
        """One row a replication, one column a metric."""
        return self.replications.table()


def estimates_of(
    replications: Replications, confidence: float = 0.95
) -> tuple[dict[str, Estimate], list[str]]:
    """Estimates of all metrics that can be relied on, and a note on the percentiles that cannot.

    A percentile needs enough values beyond it in every replication, see
    :func:`simulator.statistics.observations_needed`.
    """
    estimates = replications.estimates(confidence)
    left_out = []
    for metric in replications.metrics:
        prefix, _, name = metric.rpartition(".")
        quantile = TAIL_QUANTILES.get(name)
        if quantile is None:
            continue
        if min(replications.values(f"{prefix}.count")) < observations_needed(quantile):
            estimates.pop(metric, None)
            left_out.append(metric)
    if not left_out:
        return estimates, []
    needs = ", ".join(f"{n} {observations_needed(q):,}" for n, q in TAIL_QUANTILES.items())
    note = (
        f"percentiles left out because a replication has too few values for them (needed: {needs}; "
        f"simulate longer): {', '.join(left_out)}"
    )
    return estimates, [note]


def _put(tree: dict[str, Any], metric: str, value: Mapping[str, Any] | None) -> None:
    *parents, last = metric.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value
