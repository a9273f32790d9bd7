"""How fast the system answers, how busy its stations are, and which one gives way first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from simpy import Environment

from architecture.design import Design
from evidence import Estimate
from simulator.clinicians import Counts, Population
from simulator.figures import Figures
from simulator.plant import Plant, draw_world
from simulator.statistics import QUANTILES, across, estimate_document, replicate, summarise
from simulator.streams import Streams

REPLICATIONS = 12
DURATION_S = 300.0
WARMUP_S = 120.0
STATISTICS = ("mean", *QUANTILES)
MEASURES = ("utilisation", "wait_s", "queue_length")


@dataclass(frozen=True)
class Replication:
    """What one replication observed: plain numbers, seconds; NaN where nothing was observed."""

    latency: dict[str, dict[str, float]]
    first_token: dict[str, float]
    throughput_per_s: dict[str, float]
    stations: dict[str, dict[str, float]]
    counts: Counts


@dataclass(frozen=True)
class CapacityResult:
    """Estimates over replications, and the replications themselves.

    The intervals are t-intervals of the mean over replications; each replication lives in a world
    of its own (see :func:`simulator.plant.draw_world`), so they hold sampling and input
    uncertainty. An operation that fewer than two replications saw is left out.
    """

    journeys: dict[str, dict[str, Any]]
    stations: dict[str, dict[str, Estimate]]
    bottleneck: str
    replications: tuple[Replication, ...]

    def document(self) -> dict[str, Any]:
        """``journeys``, ``stations`` and ``bottleneck`` as JSON."""
        return {
            "journeys": _json(self.journeys),
            "stations": _json(self.stations),
            "bottleneck": self.bottleneck,
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


def simulate(
    design: Design, figures: Figures, *, users: int | None = None, seed: int = 1,
    replications: int = REPLICATIONS, duration_s: float = DURATION_S, warmup_s: float = WARMUP_S,
    precision: float | None = None, at_most: int = 200,
) -> CapacityResult:  # fmt: skip
    """Simulate the closed population on the design's active sites, all up.

    Args:
        design: What is simulated.
        figures: Speeds of its hardware.
        users: Clinicians; the workload's number by default.
        seed: Same seed, same result; different designs see the same clinicians.
        replications: How many (at least two), or the least when ``precision`` is given.
        duration_s: Observed time of each, after ``warmup_s`` that is not observed.
        warmup_s: Should cover the workload's ramp and a round of the journey.
        precision: Go on until every mean latency's interval is within this share of the mean.
        at_most: Replications at which ``precision`` is given up.

    Raises:
        ConservationError: when the model loses or invents a request.
        ValueError: for numbers that make no simulation.
    """
    number = design.workload.users if users is None else users
    if number < 1 or duration_s <= 0 or warmup_s < 0:
        raise ValueError("users ≥ 1, duration_s > 0 and warmup_s ≥ 0 are required")

    def run(replication: int) -> Replication:
        return _replication(
            design, figures, users=number, streams=Streams(seed, replication),
            duration_s=duration_s, warmup_s=warmup_s,
        )  # fmt: skip

    results = replicate(
        run,
        at_least=replications,
        at_most=replications if precision is None else max(at_most, replications),
        enough=lambda made: precision is not None and _precise(made, precision),
    )
    return _result(results)


def _replication(
    design: Design, figures: Figures, *, users: int, streams: Streams, duration_s: float,
    warmup_s: float,
) -> Replication:  # fmt: skip
    env = Environment()
    world = draw_world(design, figures, streams)
    population = Population(env, design.workload, users, streams, world.network_s)
    plant = Plant(env, design, figures, world=world, streams=streams, population=population)
    population.begin(plant)
    if warmup_s > 0:
        env.run(until=warmup_s)
        population.forget()
        for measures in plant.snapshots().values():
            measures.reset(env.now)
    env.run(until=warmup_s + duration_s)
    population.check_conservation()
    plant.check_conservation()
    operations = list(design.workload.demands)
    answers = {name: population.answers.get(name) for name in operations}
    return Replication(
        latency={name: summarise(seen.latency_s if seen else []) for name, seen in answers.items()},
        first_token=summarise(chat.first_token_s if (chat := answers.get("chat")) else []),
        throughput_per_s={
            name: (len(seen.latency_s) if seen else 0) / duration_s
            for name, seen in answers.items()
        },
        stations={
            name: {measure: getattr(measures, measure) for measure in MEASURES}
            for name, measures in plant.snapshots().items()
        },
        counts=population.counts,
    )


def _precise(made: Sequence[Replication], precision: float) -> bool:
    for operation in made[0].latency:
        found = across([replication.latency[operation]["mean"] for replication in made])
        if found is not None and found.upper - found.estimate > precision * found.estimate:
            return False
    return True


def _result(made: list[Replication]) -> CapacityResult:
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


def _across(made: list[Replication], station: str, measure: str) -> Estimate:
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
