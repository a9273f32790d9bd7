"""Trials: what one chaos run's tables say about one fault, recomputed rather than believed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from architecture.objectives import Objective
from chaos.measures import OPERATIONS, Operation, Reconciliation, Recovery, reconcile, recovery
from evidence import Estimate, Run
from load.settings import PROBE_JOURNEY
from reports import wording


@dataclass(frozen=True)
class Return:
    """When an operation was served again.

    ``attempts`` were sent after the landing. ``failing_until_s`` is when the last of those without
    success was sent, seconds after the landing: a lower bound of the RTO when none was measured.
    """

    attempts: int
    recovery: Recovery
    failing_until_s: float

    @property
    def rto_s(self) -> float | None:
        """The RTO in seconds; None when no lasting success was seen."""
        return self.recovery.time_s


@dataclass(frozen=True)
class Trial:
    """One fault of one run.

    Times are seconds of the run's own clock; ``landed_s`` is NaN when the fault never landed,
    ``restored_s`` when the site was not started again. ``account`` is None without a ledger; its
    ``lost`` is None when the ledger was not read back.
    """

    run: Run
    fault: str
    site: str
    confirmed: bool
    injected_s: float
    landed_s: float
    restored_s: float
    detail: str
    requests: int
    users: int
    returns: dict[str, Return]
    account: Reconciliation | None

    @property
    def zero_s(self) -> float:
        """Where the trial's time begins on the run's clock: the landing, else the injection."""
        return self.landed_s if self.confirmed else self.injected_s


def read_trials(run: Run) -> list[Trial]:
    """The trials of a chaos run, one per row of its table ``faults``; none without that table.

    Raises:
        RecordError: when a table is recorded but can't be read.
    """
    if "faults" not in run.record.tables:
        return []
    requests = run.table("requests") if "requests" in run.record.tables else pd.DataFrame()
    ledger = run.table("ledger") if "ledger" in run.record.tables else None
    return [
        _trial(run, row, requests, ledger) for row in run.table("faults").to_dict(orient="records")
    ]


def trial_value(trial: Trial, objective: Objective) -> tuple[float | None, str]:
    """What the trial says about a fault's objective, or None and why it says nothing.

    An RTO that outlasted both the bound and the run is infinite: the bound is broken for certain.
    """
    if not trial.confirmed:
        return None, "the fault was not confirmed"
    if not trial.requests:
        return None, "no request was made"
    return _rto(trial, objective) if objective.metric == "rto_s" else _loss(trial, objective)


def median_of_trials(values: Sequence[float]) -> Estimate | None:
    """The median of trials between the smallest and the largest; None without trials.

    The range of n independent trials holds the true median unless all of them fall on one side of
    it: with probability 1 − 2^(1 − n) (order statistics; David & Nagaraja, Order Statistics, 3rd
    ed., 7.1). One trial has confidence 0.
    """
    if not values:
        return None
    n = len(values)
    return Estimate(
        estimate=float(np.median(values)),
        lower=min(values),
        upper=max(values),
        confidence=1 - 2.0 ** (1 - n),
        n=n,
    )


def _rto(trial: Trial, objective: Objective) -> tuple[float | None, str]:
    back = trial.returns.get(str(objective.operation))
    name = wording.OPERATIONS.get(str(objective.operation), str(objective.operation)).lower()
    if back is None or not back.attempts:
        return None, f"{name} was not tried after the fault"
    if back.rto_s is not None:
        return back.rto_s, ""
    if back.failing_until_s > (objective.at_most or 0):
        return math.inf, ""
    if back.recovery.state == "no evidence":
        return None, f"{name} was answered once after the fault, which may be chance"
    return None, f"{name} was not watched long enough to see a lasting success"


def _loss(trial: Trial, objective: Objective) -> tuple[float | None, str]:
    account = trial.account
    if account is None or account.lost is None:
        return None, "the ledger was not read back"
    if objective.metric == "lost_writes":
        if not account.acknowledged:
            return None, "no note was acknowledged"
        return float(account.lost), ""
    if account.rpo_s is None:
        return None, "no note had been acknowledged before the fault"
    return account.rpo_s, ""


def _trial(
    run: Run, row: Mapping[Hashable, Any], requests: pd.DataFrame, ledger: pd.DataFrame | None
) -> Trial:
    landed_s = float(row["landed_s"])
    confirmed = bool(row["confirmed"]) and not math.isnan(landed_s)
    return Trial(
        run=run,
        fault=str(row["fault"]),
        site=str(row["site"]),
        confirmed=confirmed,
        injected_s=float(row["injected_s"]),
        landed_s=landed_s,
        restored_s=float(row["restored_s"]),
        detail=str(row["detail"]),
        requests=len(requests),
        users=_clinicians(requests) if len(requests) else 0,
        returns=_returns(requests, landed_s) if confirmed and len(requests) else {},
        account=None if ledger is None else reconcile(ledger, landed_s),
    )


def _clinicians(requests: pd.DataFrame) -> int:
    return int(requests.loc[requests["journey"] != PROBE_JOURNEY, "user"].nunique())


def _returns(requests: pd.DataFrame, landed_s: float) -> dict[str, Return]:
    until_s = float(requests["finished_s"].max())
    after = requests[requests["sent_s"] >= landed_s]
    return {name: _return(after, name, landed_s, until_s) for name in OPERATIONS}


def _return(after: pd.DataFrame, name: Operation, landed_s: float, until_s: float) -> Return:
    own = after[after["operation"] == OPERATIONS[name]]
    failing = own.loc[own["outcome"] != "ok", "sent_s"]
    return Return(
        attempts=len(own),
        recovery=recovery(after, name, landed_s, until_s),
        failing_until_s=float(failing.max()) - landed_s if len(failing) else 0.0,
    )
