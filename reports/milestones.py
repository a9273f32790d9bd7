"""The few events that tell a failover's story, picked from all that were recorded."""

from __future__ import annotations

import math
import re
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
    ("haproxy shared-address", r" UP$", "other balancer takes the address"),
)
"""Source, pattern of the event, and the words for the first such event after the landing."""

_BALANCER = re.compile(r"haproxy (?P<what>\S+) at (?P<site>\S+)")


def milestones(
    events: pd.DataFrame, zero_s: float, restored_s: float = math.nan
) -> list[Milestone]:
    """Landing, the balancer's marks, the promotion and the restart, in order of time.

    The balancer is the one that clients go through at the time: the holder of the shared address.

    Args:
        events: The run's table ``events``.
        zero_s: Landing of the fault, on the run's clock.
        restored_s: When the site was started again; NaN when it was not.
    """
    found = [Milestone(0.0, "fault landed")]
    seen = on_the_way(events.sort_values("time_s"))
    after = seen[seen["time_s"] > zero_s]
    for source, pattern, text in _KINDS:
        own = after[after["source"].astype(str).str.startswith(source)]
        times = own.loc[own["event"].astype(str).str.contains(pattern, regex=True), "time_s"]
        if len(times):
            found.append(Milestone(float(times.iloc[0]) - zero_s, text))
    if not math.isnan(restored_s):
        found.append(Milestone(restored_s - zero_s, "site started again"))
    return sorted(found, key=lambda milestone: milestone.time_s)


def on_the_way(events: pd.DataFrame) -> pd.DataFrame:
    """Events in order of time, without those of balancers that clients do not go through then.

    All of them where no balancer says that it holds a shared address.
    """
    holder: str | None = None
    kept = []
    for source, event in zip(events["source"], events["event"], strict=True):
        told = _BALANCER.fullmatch(str(source))
        if told is not None and told["what"] == "shared-address" and str(event).endswith(" UP"):
            holder = told["site"]
        kept.append(told is None or holder in {None, told["site"]})
    return events[kept]
