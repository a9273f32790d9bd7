"""Replication lag of undisturbed operation, from load and chaos runs (B-09)."""

from __future__ import annotations

from collections.abc import Sequence

from architecture import Design
from evidence import Run
from evidence.record import RecordError


def calm_lags(run: Run, design: Design) -> list[float]:
    """Lag of the synchronous standby, seconds, a sample a second, while nothing was broken.

    From the end of the ramp to the first fault's injection. A standby that is missing counts as
    infinitely late. With asynchronous replication it is the hospital standby's.

    Raises:
        RecordError: when the run has no such table.
    """
    table = run.table("replication_lag")
    requests = run.table("requests")
    if table.empty or requests.empty:
        return []
    start_s = float(requests["intended_s"].min()) + design.workload.ramp_s
    end_s = float(requests["intended_s"].max())
    if "faults" in run.record.tables and len(faults := run.table("faults")):
        end_s = float(faults["injected_s"].min())
    calm = table[(table["time_s"] >= start_s) & (table["time_s"] <= end_s)]
    hospital = calm["standby"].isin([*design.database.sites, ""])
    return [float(lag_s) for lag_s in calm.loc[hospital, "lag_s"]]


def lags_of(runs: Sequence[Run], design: Design) -> list[tuple[Run, list[float]]]:
    """The runs that recorded lags, with them."""
    found = []
    for run in runs:
        try:
            lags = calm_lags(run, design)
        except RecordError:
            continue
        if lags:
            found.append((run, lags))
    return found
