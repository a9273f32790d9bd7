"""The error budget of a year, what spends it, and what the drills may spend (D-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from architecture.design import Design
from simulator.availability.planned import PlannedWork, planned_work
from simulator.availability.rates import YEAR_H

DEFAULT_TARGET = 0.999


def uptime_target(design: Design) -> float:
    """The promised share of uptime; 99.9 % when the design promises none."""
    for objective in design.objectives:
        if objective.metric == "availability" and objective.at_least is not None:
            return objective.at_least
    return DEFAULT_TARGET


@dataclass(frozen=True)
class Spending:
    """One item of a year's downtime: minutes, and its share of the budget."""

    item: str
    kind: str
    minutes: float
    share: float


@dataclass(frozen=True)
class ErrorBudget:
    """A year's error budget.

    Attributes:
        target: Promised share of uptime.
        budget_min: Minutes a year that may be lost: (1 − target) · 8760 h.
        spending: What spends it, greatest first: causes of failure and planned work.
        literal_drills_min: What the drills may cost by the documents' words, "planned" read as
            down all the time.
        drills_without_promise: Those whose downtime the documents leave open.
    """

    target: float
    budget_min: float
    spending: tuple[Spending, ...]
    literal_drills_min: float
    drills_without_promise: tuple[str, ...]

    @property
    def spent(self) -> float:
        """Share of the budget that is spent."""
        return sum(item.share for item in self.spending)


def error_budget(
    design: Design, by_cause_min: Mapping[str, float], planned: Sequence[PlannedWork] | None = None
) -> ErrorBudget:
    """The budget of a design, spent by these minutes a year and by its planned work."""
    target = uptime_target(design)
    budget_min = (1 - target) * YEAR_H * 60
    work = tuple(planned) if planned is not None else planned_work(design)
    minutes = [(cause, "failure", value) for cause, value in by_cause_min.items()]
    minutes += [(item.name, "planned", item.downtime_h * 60) for item in work]
    ordered = sorted(minutes, key=lambda entry: -entry[2])
    return ErrorBudget(
        target=target,
        budget_min=budget_min,
        spending=tuple(
            Spending(item, kind, value, value / budget_min if budget_min > 0 else float("inf"))
            for item, kind, value in ordered
            if value > 0
        ),
        literal_drills_min=sum(item.promised_h for item in work) * 60,
        drills_without_promise=tuple(
            name for name, drill in design.drills.items() if drill.promised_downtime_s is None
        ),
    )
