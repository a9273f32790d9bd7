"""What came of a simulation: estimates over its replications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from evidence import Estimate
from simulator.hospital.requests import Counts
from simulator.statistics import QUANTILES, across, estimate_document

STATISTICS = ("mean", *QUANTILES)
MEASURES = ("utilisation", "wait_s", "queue_length")


@dataclass(frozen=True)
class Replication:
    """What one replication observed: plain numbers, seconds; NaN where nothing was observed.

    ``counts`` are since the beginning, ``observed`` since the warm-up; ``machines`` holds bytes and
    shares by site, see :mod:`simulator.hospital.memory`; the two timelines are empty unless they
    were asked for.
    """

    latency: dict[str, dict[str, float]]
    first_token: dict[str, float]
    throughput_per_s: dict[str, float]
    stations: dict[str, dict[str, float]]
    counts: Counts
    observed: Counts
    machines: dict[str, dict[str, float]] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)
    turned_away: int = 0
    operations: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    minutes: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)


@dataclass(frozen=True)
class CapacityResult:
    """Estimates over replications, and the replications themselves.

    The intervals are t-intervals of the mean over replications; each replication lives in a world
    of its own (see :func:`simulator.hospital.world.draw_world`), so they hold sampling and input
    uncertainty. An operation that fewer than two replications saw is left out.
    """

    journeys: dict[str, dict[str, Any]]
    stations: dict[str, dict[str, Estimate]]
    bottleneck: str
    replications: tuple[Replication, ...]

    def document(self) -> dict[str, Any]:
        """``journeys``, ``stations``, ``bottleneck``, ``machines`` and ``failures`` as JSON."""
        return {
            "journeys": _json(self.journeys),
            "stations": _json(self.stations),
            "bottleneck": self.bottleneck,
            "machines": _json(self.machines()),
            "failures": self.failures(),
        }

    def machines(self) -> dict[str, dict[str, Estimate]]:
        """Memory and bandwidth by site."""
        made = self.replications
        found: dict[str, dict[str, Estimate]] = {}
        for site, figures in made[0].machines.items():
            estimates = {
                name: across([replication.machines[site][name] for replication in made])
                for name in figures
            }
            found[site] = {name: e for name, e in estimates.items() if e is not None}
        return found

    def failures(self) -> dict[str, float]:
        """Attempts that did not succeed, by how they ended, as a share of all that arrived."""
        arrived = sum(replication.observed.arrived for replication in self.replications)
        names = ("timed_out", "refused", "declined", "abandoned")
        return {
            name: sum(getattr(r.observed, name) for r in self.replications) / max(arrived, 1)
            for name in names
        }

    def latency_table(self) -> pd.DataFrame:
        """One row a replication and operation: replication, operation, mean … p99, throughput."""
        return pd.DataFrame(
            {
                "replication": number,
                "operation": operation,
                **values,
                "throughput_per_s": replication.throughput_per_s[operation],
            }
            for number, replication in enumerate(self.replications)
            for operation, values in replication.latency.items()
        )

    def station_table(self) -> pd.DataFrame:
        """One row a station: the means over replications of its measures."""
        return pd.DataFrame(
            {"station": name, **{measure: found.estimate for measure, found in measures.items()}}
            for name, measures in self.stations.items()
        )

    def timeline_table(self) -> pd.DataFrame:
        """One row a minute of the first replication; empty when no timeline was asked for."""
        return self.replications[0].minutes

    def operations_table(self) -> pd.DataFrame:
        """One row a minute and operation of the first replication."""
        return self.replications[0].operations


def result_of(made: Sequence[Replication]) -> CapacityResult:
    """Estimates over replications that were made anywhere, in their order.

    Raises:
        ValueError: with fewer than two.
    """
    journeys: dict[str, dict[str, Any]] = {}
    for operation in made[0].latency:
        latency = {
            statistic: across([replication.latency[operation][statistic] for replication in made])
            for statistic in STATISTICS
        }
        if latency["mean"] is None:
            continue
        journeys[operation] = {
            "latency_s": latency,
            "throughput_per_s": across([r.throughput_per_s[operation] for r in made]),
        }
    if "chat" in journeys:
        journeys["chat"]["time_to_first_token_s"] = {
            statistic: across([replication.first_token[statistic] for replication in made])
            for statistic in STATISTICS
        }
    stations = {
        name: {measure: _across(made, name, measure) for measure in MEASURES}
        for name in made[0].stations
    }
    bottleneck = max(stations, key=lambda name: stations[name]["utilisation"].estimate)
    return CapacityResult(journeys, stations, bottleneck, tuple(made))


def _across(made: Sequence[Replication], station: str, measure: str) -> Estimate:
    found = across([replication.stations[station][measure] for replication in made])
    if found is None:
        raise ValueError(f"{station}: no estimate of {measure} from fewer than two replications")
    return found


def _json(value: Any) -> Any:
    if isinstance(value, Estimate):
        return estimate_document(value)
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value
