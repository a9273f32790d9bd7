"""What happens over the years: failures and repairs, drills, alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from architecture.values import NonNegative, Positive, Range, Strict


class Failover(Strict):
    """What is promised when the active node is lost, apart from the recovery objectives."""

    trigger: Literal["primary-health-fails"]
    promised_s: Positive
    data_sync_checked: bool = Field(description="the standby takes over only if it is in sync")
    users_notified: bool
    requirements: tuple[str, ...] = ()


class FailureMode(Strict):
    """How often one component fails and how long it takes to mend, each with a source and range."""

    title: str
    mean_time_between_failures_h: Range
    mean_time_to_repair_h: Range


class Drill(Strict):
    """A planned exercise (B-19)."""

    title: str
    every: Literal["day", "week", "month", "quarter", "year"]
    duration_h: Positive
    promised_downtime_s: NonNegative | None = Field(
        default=None, description="null: the documents say only 'planned'"
    )


class Alert(Strict):
    """An alert rule in the documents' literal form (B-18)."""

    expression: str
    for_s: NonNegative
    severity: Literal["info", "warning", "critical"]
    summary: str
