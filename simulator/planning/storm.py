"""After a failover: does the survivor hold the reconnect storm? (D-16)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from architecture.design import Design
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario, run_replication
from simulator.hospital.faults import Relogin, ScheduledFault
from simulator.streams import Streams

FAULT_S = 300.0
OBSERVED_S = 900.0
# A minute is quiet again when no more requests fail than so many, and none waits unduly.
QUIET_SHARE = 0.02


@dataclass(frozen=True)
class Storm:
    """Means over replications of what a fault does to the clients.

    Attributes:
        fault: What struck, after five minutes of quiet.
        relogin: Who had to log in again.
        failed: Attempts that failed, over the ten minutes after it.
        turned_away: Attempts refused because the emergency was full.
        most_arrivals: Attempts in the busiest minute after the fault, over the mean minute before.
        quiet_again_s: From the fault to the end of the last minute in which more than 2 % of the
            attempts failed; infinite when it is so to the end.
        busiest: The station that was busiest in that minute, in the first replication.
        utilisation: Its utilisation then.
    """

    fault: str
    relogin: Relogin
    failed: float
    turned_away: float
    most_arrivals: float
    quiet_again_s: float
    busiest: str
    utilisation: float


def storm(
    design: Design, figures: Figures, fault: str, *, relogin: Relogin = "emergency",
    users: int | None = None, seed: int = 1, replications: int = 4,
) -> Storm:  # fmt: skip
    """Play a fault and look at the minutes after it.

    Raises:
        ConservationError: when the model loses or invents a request.
        ValueError: for a fault the design does not have.
    """
    scenario = Scenario(
        users=users, duration_s=OBSERVED_S, warmup_s=0.0, relogin=relogin, timeline=True,
        faults=(ScheduledFault(fault, FAULT_S),),
    )  # fmt: skip
    made = [
        run_replication(design, figures, scenario, Streams(seed, number))
        for number in range(replications)
    ]
    minutes = [replication.minutes for replication in made]
    after = _after(minutes[0])
    peak = after.iloc[int(after["arrived"].to_numpy().argmax())]
    return Storm(
        fault=fault,
        relogin=relogin,
        failed=_mean([float(_after(table)["failed"].sum()) for table in minutes]),
        turned_away=_mean([float(replication.turned_away) for replication in made]),
        most_arrivals=_mean([_peak(table) for table in minutes]),
        quiet_again_s=_mean([_quiet_again_s(table) for table in minutes]),
        busiest=str(peak["busiest"]),
        utilisation=float(peak["utilisation"]),
    )


def _after(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table["minute"] > FAULT_S / 60]


def _peak(table: pd.DataFrame) -> float:
    # The first two minutes are those in which the clinicians come.
    before = table.loc[(table["minute"] > 2) & (table["minute"] <= FAULT_S / 60)]  # noqa: PLR2004
    usual = float(before["arrived"].mean())
    return float(_after(table)["arrived"].max()) / usual if usual > 0 else math.inf


def _quiet_again_s(table: pd.DataFrame) -> float:
    after = _after(table)
    noisy = after.loc[after["failed"] > QUIET_SHARE * after["arrived"]]
    if noisy.empty:
        return 0.0
    last = int(noisy["minute"].max())
    return math.inf if last >= int(table["minute"].max()) else last * 60.0 - FAULT_S


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
