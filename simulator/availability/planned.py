"""Planned work: drills and releases, what they cost clinicians, and what the documents let them."""

from __future__ import annotations

from dataclasses import dataclass

from architecture.design import Design
from architecture.operations import Drill
from simulator.availability.rates import SECOND_H, Value, typical


@dataclass(frozen=True)
class PlannedWork:
    """One kind of planned work, a year. Hours.

    Attributes:
        name: The drill's key, or ``release``.
        times: How often a year.
        downtime_h: What the design makes of it.
        promised_h: What the documents let it cost; ``planned`` without a figure means all of it.
        requests_h: Downtime in hours of average load: at night fewer ask.
    """

    name: str
    times: float
    downtime_h: float
    promised_h: float
    requests_h: float


def planned_work(design: Design, value: Value = typical) -> tuple[PlannedWork, ...]:
    """A year of a design's drills and of the releases that go well."""
    found = [_drill(design, name, drill, value) for name, drill in design.drills.items()]
    if design.releases is not None:
        times = value("releases.per_year", design.releases.per_year)
        bad = value("releases.failure_share", design.releases.failure_share)
        down_h = times * (1 - bad) * value("releases.release_s", design.releases.release_s)
        down_h *= SECOND_H
        found.append(PlannedWork("release", times, down_h, 0.0, down_h))
    return tuple(found)


def _drill(design: Design, name: str, drill: Drill, value: Value) -> PlannedWork:
    downtime_h = 0.0
    if drill.effect == "outage":
        downtime_h = drill.per_year * drill.duration_h
    elif drill.downtime_s is not None:
        one_s = value(f"drills.{name}.downtime_s", drill.downtime_s)
        downtime_h = drill.per_year * one_s * SECOND_H
    promised = drill.promised_downtime_s
    one_h = drill.duration_h if promised is None else promised * SECOND_H
    hours = max(1, round(drill.duration_h)) if drill.effect == "outage" else 1
    load = 1.0 if drill.hour is None else _load(design, drill.hour, hours)
    return PlannedWork(name, drill.per_year, downtime_h, drill.per_year * one_h, downtime_h * load)


def _load(design: Design, hour: int, hours: int) -> float:
    """Requests in these hours of the day, by the day's mean; 1 without a profile of the day."""
    weights = hourly_load(design)
    return sum(weights[(hour + later) % 24] for later in range(hours)) / hours


def hourly_load(design: Design) -> tuple[float, ...]:
    """How many requests each hour of the day sees, relative to the mean hour.

    Users on duty times how busy the hour is.
    """
    day = design.workload.day
    if day is None:
        return (1.0,) * 24
    raw = []
    for hour in range(24):
        on_duty = sum(
            shift.share
            for shift in day.shifts.values()
            if (hour + 0.5 - shift.starts_h) % 24 < shift.hours
        )
        raw.append(on_duty * day.intensity[hour])
    mean = sum(raw) / 24
    return tuple(load / mean for load in raw) if mean > 0 else (1.0,) * 24
