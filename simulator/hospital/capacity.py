"""Playing a scenario: clinicians, stations, faults and the clock put together, and repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
from simpy import Environment

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.clinicians import Population
from simulator.hospital.disturbance import StruckPlant
from simulator.hospital.faults import Relogin, ScheduledFault, plan_outages
from simulator.hospital.memory import machine_use
from simulator.hospital.observation import Timeline
from simulator.hospital.plant import Plant
from simulator.hospital.requests import Answers, Counts
from simulator.hospital.result import MEASURES, CapacityResult, Replication, result_of
from simulator.hospital.shifts import DAY_S
from simulator.hospital.world import draw_world
from simulator.statistics import across, replicate, summarise
from simulator.streams import Streams

REPLICATIONS = 12
DURATION_S = 300.0
WARMUP_S = 120.0


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
