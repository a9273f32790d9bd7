"""The few events that tell a failover's story, picked from all that were recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Milestone:
    """An event worth naming in a picture. ``time_s`` counts from the fault's landing."""

    time_s: float
    text: str


_KINDS: Sequence[tuple[str, str, str]] = (
    ("haproxy api", r" DOWN$", "balancer takes the API out"),
    ("haproxy database", r" DOWN$", "balancer takes the database out"),
    ("patroni", r"^primary$", "standby promoted"),
    ("haproxy database", r" UP$", "balancer sees the new primary"),
)
"""Source, pattern of the event, and the words for the first such event after the landing."""


def milestones(
    events: pd.DataFrame, zero_s: float, restored_s: float = math.nan
) -> list[Milestone]:
    """Landing, the balancer's marks, the promotion and the restart, in order of time.

    Args:
        events: The run's table ``events``.
        zero_s: Landing of the fault, on the run's clock.
        restored_s: When the site was started again; NaN when it was not.
    """
    found = [Milestone(0.0, "fault landed")]
    after = events[events["time_s"] > zero_s].sort_values("time_s")
    for source, pattern, text in _KINDS:
        own = after[after["source"].astype(str).str.startswith(source)]
        times = own.loc[own["event"].astype(str).str.contains(pattern, regex=True), "time_s"]
        if len(times):
            found.append(Milestone(float(times.iloc[0]) - zero_s, text))
    if not math.isnan(restored_s):
        found.append(Milestone(restored_s - zero_s, "site started again"))
    return sorted(found, key=lambda milestone: milestone.time_s)
