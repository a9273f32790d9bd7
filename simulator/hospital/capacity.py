"""How fast the system answers, how busy its stations are, and which one gives way first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from simpy import Environment

from architecture.design import Design
from evidence import Estimate
from simulator.figures import Figures
from simulator.hospital.clinicians import DAY_S, Population
from simulator.hospital.disturbance import StruckPlant
from simulator.hospital.faults import Relogin, ScheduledFault, plan_outages
from simulator.hospital.memory import machine_use
from simulator.hospital.observation import Timeline
from simulator.hospital.plant import Plant
from simulator.hospital.requests import Answers, Counts
from simulator.hospital.world import draw_world
from simulator.statistics import QUANTILES, across, estimate_document, replicate, summarise
from simulator.streams import Streams

REPLICATIONS = 12
DURATION_S = 300.0
WARMUP_S = 120.0
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


@dataclass(frozen=True)
class Scenario:
    """What is played besides the design.

    Attributes:
        users: Clinicians; None: the workload's number.
        duration_s: Observed time, after ``warmup_s`` that is not observed.
        warmup_s: Should cover the workload's ramp and a round of the journey.
        day: Whether the workload's day is played, from midnight; else everybody is at work.
        faults: What strikes when, from the simulation's beginning.
        relogin: Who must log in again after a takeover.
        timeline: Whether a row is kept for every minute (a day always keeps them).
    """

    users: int | None = None
    duration_s: float = DURATION_S
    warmup_s: float = WARMUP_S
    day: bool = False
    faults: tuple[ScheduledFault, ...] = ()
    relogin: Relogin = "emergency"
    timeline: bool = False


A_DAY = Scenario(duration_s=DAY_S, warmup_s=0.0, day=True, timeline=True)


def simulate(
    design: Design, figures: Figures, *, users: int | None = None, seed: int = 1,
    replications: int = REPLICATIONS, duration_s: float = DURATION_S, warmup_s: float = WARMUP_S,
    precision: float | None = None, at_most: int = 200, scenario: Scenario | None = None,
) -> CapacityResult:  # fmt: skip
    """Simulate the clinicians on the design's active sites.

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
        scenario: In place of users, duration_s and warmup_s: a day, faults, a timeline.

    Raises:
        ConservationError: when the model loses or invents a request.
        InputError: when a day is asked of a workload that has none.
        ValueError: for numbers that make no simulation.
    """
    played = scenario or Scenario(users, duration_s, warmup_s)

    def run(replication: int) -> Replication:
        return run_replication(design, figures, played, Streams(seed, replication))

    results = replicate(
        run,
        at_least=replications,
        at_most=replications if precision is None else max(at_most, replications),
        enough=lambda made: precision is not None and _precise(made, precision),
    )
    return result_of(results)


def run_replication(
    design: Design, figures: Figures, scenario: Scenario, streams: Streams
) -> Replication:
    """One replication; what :func:`simulate` repeats, for those who spread replications out.

    Raises:
        ConservationError: when the model loses or invents a request.
        ValueError: for numbers that make no simulation.
    """
    users = design.workload.users if scenario.users is None else scenario.users
    duration_s, warmup_s = scenario.duration_s, scenario.warmup_s
    if users < 1 or duration_s <= 0 or warmup_s < 0:
        raise ValueError("users ≥ 1, duration_s > 0 and warmup_s ≥ 0 are required")
    if scenario.day and design.workload.day is None:
        raise ValueError(f"design {design.name}: workload.day is needed to play a day")
    env = Environment()
    world = draw_world(design, figures, streams)
    population = Population(env, design.workload, users, streams, world.network_s, day=scenario.day)
    plant: Plant
    if scenario.faults:
        plant = StruckPlant(
            env, design, figures, world=world, streams=streams, population=population,
            outages=plan_outages(design, scenario.faults, streams), relogin=scenario.relogin,
        )  # fmt: skip
    else:
        plant = Plant(env, design, figures, world=world, streams=streams, population=population)
    keeps_minutes = scenario.timeline or scenario.day
    timeline = Timeline(env, population, plant) if keeps_minutes else None
    population.begin(plant)
    warm = Counts()
    if warmup_s > 0:
        env.run(until=warmup_s)
        warm = replace(population.counts)
        population.forget()
        if timeline is not None:
            timeline.forget()
        for measures in plant.snapshots().values():
            measures.reset(env.now)
    env.run(until=warmup_s + duration_s)
    population.check_conservation()
    plant.check_conservation()
    return _observed(design, plant, population, timeline=timeline, duration_s=duration_s, warm=warm)


def _observed(
    design: Design, plant: Plant, population: Population, *, timeline: Timeline | None,
    duration_s: float, warm: Counts,
) -> Replication:  # fmt: skip
    operations: list[str] = list(design.workload.demands)
    if timeline is not None:
        timeline.close()
        seen = {name: timeline.observed(name) for name in operations}
        latency = {name: found.latency for name, found in seen.items()}
        first_token = seen["chat"].first_token if "chat" in seen else summarise([])
        completed = {name: found.completed for name, found in seen.items()}
    else:
        kept: dict[str, Answers] = dict(population.answers.items())
        answers = {name: kept.get(name) for name in operations}
        latency = {n: summarise(found.latency_s if found else []) for n, found in answers.items()}
        chat = answers.get("chat")
        first_token = summarise(chat.first_token_s if chat else [])
        completed = {n: len(found.latency_s) if found else 0 for n, found in answers.items()}
    snapshots = plant.snapshots()
    return Replication(
        latency=latency,
        first_token=first_token,
        throughput_per_s={name: count / duration_s for name, count in completed.items()},
        stations={
            name: {measure: getattr(measures, measure) for measure in MEASURES}
            for name, measures in snapshots.items()
        },
        counts=population.counts,
        observed=population.counts.since(warm),
        machines=machine_use(design, plant, duration_s),
        nodes=_nodes(plant),
        turned_away=plant.turned_away if isinstance(plant, StruckPlant) else 0,
        operations=timeline.operations_table() if timeline is not None else pd.DataFrame(),
        minutes=timeline.minutes_table() if timeline is not None else pd.DataFrame(),
    )


def _nodes(plant: Plant) -> dict[str, float]:
    scaler = plant.autoscaler
    if scaler is None:
        return {}
    mean = scaler.node_seconds / plant.env.now if plant.env.now > 0 else math.nan
    return {"now": scaler.nodes, "most": scaler.most_nodes, "mean": mean}


def _precise(made: Sequence[Replication], precision: float) -> bool:
    for operation in made[0].latency:
        found = across([replication.latency[operation]["mean"] for replication in made])
        if found is not None and found.upper - found.estimate > precision * found.estimate:
            return False
    return True


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
