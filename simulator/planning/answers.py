"""The page of capacity answers for a design: bottleneck, head-room, memory, and where it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from architecture import catalogue
from architecture.design import Design
from evidence import RunWriter
from simulator.failover import faults_of
from simulator.figures import Figures, figures_for
from simulator.hospital.capacity import A_DAY, Scenario, simulate
from simulator.hospital.faults import Relogin, ScheduledFault
from simulator.hospital.result import CapacityResult
from simulator.planning.bottleneck import bottleneck
from simulator.planning.cost import cost_of
from simulator.planning.headroom import HeadRoom, head_room
from simulator.planning.standard import MOST_FAILED, Standard, standard_of
from simulator.planning.storm import storm

KIND = "capacity-answers"
PROMPT_RESPONSE_S = 0.1
REPLICATIONS = 6
WARM = Scenario(warmup_s=300.0)

Progress = Callable[[str], None]


def capacity_answers(
    design: Design, *, users: int | None = None, seed: int = 1, replications: int = REPLICATIONS,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], CapacityResult, CapacityResult | None]:  # fmt: skip
    """Everything a page about a design's capacity needs, as JSON; the peak; the day, if it has one.

    Keys: ``users``; ``peak`` (all at work at once) and ``day`` (shifts), each with journeys,
    stations and failures; ``bottleneck``; ``head_room`` (``peak``, ``day`` and by site lost under
    ``without``); ``machines`` (memory and bandwidth, D-17); ``under_100_ms`` by operation (D-12);
    ``storms`` (D-16); ``lost_with`` (operations that fail when a site is lost, D-15); ``cost``.

    Raises:
        InputError: when the catalogue lacks a figure.
        ConservationError: when the model loses or invents a request.
    """
    tell = progress or (lambda _message: None)
    figures = figures_for(design)
    standard = standard_of(design)
    number = design.workload.users if users is None else users
    busiest = Scenario(users=number)
    tell(f"{design.name}: {number} users at work at once")
    peak = simulate(design, figures, seed=seed, replications=replications, scenario=busiest)
    document: dict[str, Any] = {
        "design": design.name,
        "users": number,
        "peak": peak.document(),
        "bottleneck": asdict(
            bottleneck(
                design, figures, scenario=busiest, seed=seed, replications=replications, full=peak
            )
        ),
        "under_100_ms": _prompt(peak),
        "cost": cost_of(design).document(),
    }
    played: CapacityResult | None = None
    if design.workload.day is not None:
        tell(f"{design.name}: a day")
        played = simulate(
            design, figures, seed=seed, replications=2, scenario=replace(A_DAY, users=number)
        )
        document["day"] = played.document()
        document["nodes"] = played.replications[0].nodes
    tell(f"{design.name}: most users")
    document["head_room"] = _head_rooms(design, figures, standard, number, seed)
    document["machines"] = _machines(design, peak)
    tell(f"{design.name}: sites lost, and the storms after")
    document["lost_with"] = {
        site: _lost_with(design, figures, site, number, seed) for site in _hospital_sites(design)
    }
    document["storms"] = _storms(design, figures, number, seed)
    return document, peak, played


def record_answers(
    design: Design, root: Path, *, users: int | None = None, seed: int = 1,
    progress: Progress | None = None,
) -> Path:  # fmt: skip
    """Write a run of kind ``capacity-answers``; returns its folder.

    The outcome is :func:`capacity_answers`' document; the tables are ``stations`` and ``latency``
    of the peak and, for a design with a day, its ``minutes`` and ``operations``.

    Raises:
        InputError: when the catalogue lacks a figure.
        evidence.record.RecordError: when it cannot be written.
    """
    parameters = {"users": design.workload.users if users is None else users}
    with RunWriter.of_design(
        root, kind=KIND, design=design, seed=seed, parameters=parameters,
    ) as run:  # fmt: skip
        document, peak, day = capacity_answers(design, users=users, seed=seed, progress=progress)
        run.write_table("stations", peak.station_table())
        run.write_table("latency", peak.latency_table())
        if day is not None:
            run.write_table("minutes", day.timeline_table())
            run.write_table("operations", day.operations_table())
        run.finish(_finite(document))
    return run.path


def _head_rooms(
    design: Design, figures: Figures, standard: Standard, users: int, seed: int
) -> dict[str, Any]:
    """Most users with all up, and with each site lost; all with the same chance and windows."""
    whole = head_room(design, figures, standard, scenario=WARM, seed=seed)
    without: dict[str, Any] = {}
    for site in _hospital_sites(design):
        # The fault is over, and the survivor warm, before the observation begins.
        scenario = replace(WARM, faults=(ScheduledFault(site, 0.0),))
        room = head_room(
            design, figures, standard, scenario=scenario, seed=seed, begin=max(whole.users, 1)
        )
        without[site] = _room(room, users)
    return {"peak": _room(whole, users), "without": without}


def _room(room: HeadRoom, users: int) -> dict[str, Any]:
    return {
        "users": room.users, "over": room.over(users), "breaks_at": room.breaks_at,
        "reason": room.reason.words,
    }  # fmt: skip


def _prompt(result: CapacityResult) -> dict[str, dict[str, Any]]:
    """D-12: which operations' 95th percentile is under 100 ms, whole and to the first token."""
    found: dict[str, dict[str, Any]] = {}
    for operation, journey in result.journeys.items():
        p95 = journey["latency_s"]["p95"]
        found[operation] = {"p95_s": p95.estimate, "holds": p95.upper < PROMPT_RESPONSE_S}
        first = journey.get("time_to_first_token_s", {}).get("p95")
        if first is not None:
            found[f"{operation}, first token"] = {
                "p95_s": first.estimate, "holds": first.upper < PROMPT_RESPONSE_S,
            }  # fmt: skip
    return found


def _machines(design: Design, result: CapacityResult) -> dict[str, dict[str, Any]]:
    """D-17: bytes and shares by site, with the memory there is."""
    found: dict[str, dict[str, Any]] = {}
    for site, figures in result.machines().items():
        memory = catalogue.hardware(design.sites[site].hardware).memory_bytes
        found[site] = {name: figure.estimate for name, figure in figures.items()}
        found[site]["memory_bytes"] = memory
        gpu = result.stations.get(f"gpu {site}")
        if gpu is not None:
            found[site]["accelerator_utilisation"] = gpu["utilisation"].estimate
    return found


def _lost_with(
    design: Design, figures: Figures, site: str, users: int, seed: int
) -> dict[str, Any]:
    """Which operations nobody gets an answer to any more while a site is lost (D-15)."""
    scenario = Scenario(users=users, warmup_s=300.0, faults=(ScheduledFault(site, 0.0),))
    struck = simulate(design, figures, seed=seed, replications=2, scenario=scenario)
    asked = {step.request for j in design.workload.journeys.values() for step in j.steps}
    asked |= {stream.request for stream in design.workload.arrivals.values()}
    # Logins happen in the first minutes, which are not observed.
    asked -= {"login", "face-login"}
    lost = sorted(asked - set(struck.journeys))
    return {
        "operations": lost,
        "share": len(lost) / len(asked) if asked else 0.0,
        "failed_share": min(sum(struck.failures().values()), 1.0),
        "holds": not lost and sum(struck.failures().values()) <= MOST_FAILED,
    }


def _storms(design: Design, figures: Figures, users: int, seed: int) -> list[dict[str, Any]]:
    known = faults_of(design)
    wanted: list[tuple[str, Relogin]] = [
        ("primary-power-loss", "never"), ("primary-power-loss", "always"),
        ("both-power-loss", "emergency"),
    ]  # fmt: skip
    return [
        asdict(storm(design, figures, fault, relogin=relogin, users=users, seed=seed))
        for fault, relogin in wanted
        if fault in known
    ]


def _hospital_sites(design: Design) -> list[str]:
    return [name for name, site in design.sites.items() if site.location == "hospital"]


def _finite(value: Any) -> Any:
    """Infinity in words, as documents have it; NaN as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
