"""From an experiment's tables to its outcome: figures, or nulls where there are none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pandas as pd
from pydantic import JsonValue

from chaos.faults import Fault
from chaos.measures import OPERATIONS, Operation, Recovery, Waits, reconcile, recovery, waits
from chaos.observer import Event


@dataclass(frozen=True)
class Evidence:
    """All that an experiment has to show. Times are seconds of CLOCK_MONOTONIC.

    ``load_cpu_share`` is the share of one processor core that the load itself took; near 1 it would
    be measuring itself. ``brought_back`` counts lost notes that a way back brought in again.
    """

    experiment: str
    requests: pd.DataFrame
    ledger: pd.DataFrame
    faults: list[Fault]
    steady_from_s: float
    until_s: float
    load_cpu_share: float
    notes: list[str] = field(default_factory=list)
    brought_back: int = 0
    prediction: str | None = None

    @property
    def fault(self) -> Fault | None:
        """The fault, if one was injected."""
        return self.faults[-1] if self.faults else None

    @property
    def landed_s(self) -> float:
        """When the confirmed fault landed; NaN for a fault that nobody saw in force."""
        return self.fault.landed_s if self.fault and self.fault.confirmed else math.nan

    def recoveries(self) -> dict[Operation, Recovery]:
        """Whether and when each operation recovered."""
        return {
            name: recovery(self.requests, name, self.landed_s, self.until_s) for name in OPERATIONS
        }

    def waits(self, recoveries: dict[Operation, Recovery]) -> dict[Operation, Waits | None]:
        """What users felt, for operations that recovered."""
        return {
            name: waits(self.requests, name, self.landed_s, self.landed_s + recovered.time_s)
            if recovered.time_s is not None
            else None
            for name, recovered in recoveries.items()
        }

    def relapses(self, recoveries: dict[Operation, Recovery]) -> dict[Operation, int | None]:
        """Attempts without success that were sent after the operation had recovered.

        Many of them tell of a second outage, for example when traffic returns to the mended site.
        """
        bad = self.requests[self.requests["outcome"] != "ok"]
        return {
            name: int(
                (
                    (bad["operation"] == OPERATIONS[name])
                    & (bad["sent_s"] > self.landed_s + recovered.time_s)
                ).sum()
            )
            if recovered.time_s is not None
            else None
            for name, recovered in recoveries.items()
        }


def outcome_document(evidence: Evidence) -> dict[str, JsonValue]:
    """The run's outcome. What was not observed is null, never zero."""
    recoveries = evidence.recoveries()
    ledger = reconcile(evidence.ledger, evidence.landed_s)
    fault = evidence.fault
    return {
        "experiment": evidence.experiment,
        "fault": fault.fault if fault else None,
        "site": fault.site if fault else None,
        "confirmed": bool(fault and fault.confirmed),
        "rto_s": {name: recovered.time_s for name, recovered in recoveries.items()},
        "recovery": {name: asdict(recovered) for name, recovered in recoveries.items()},
        "waits": {
            name: asdict(felt) if felt else None
            for name, felt in evidence.waits(recoveries).items()
        },
        "failures_after_recovery": {**evidence.relapses(recoveries)},
        "attempts": {
            name: int((evidence.requests["operation"] == request).sum())
            for name, request in OPERATIONS.items()
        },
        **asdict(ledger),
        "brought_back": evidence.brought_back,
        "steady_from_s": evidence.steady_from_s,
        "until_s": evidence.until_s,
        "load_cpu_share": None if math.isnan(evidence.load_cpu_share) else evidence.load_cpu_share,
        "notes": list(evidence.notes),
        "journal": "journal.json",
        "prediction": evidence.prediction,
    }


def client_events(evidence: Evidence) -> Iterator[Event]:
    """What clients noticed first and last, for the timeline."""
    landed_s = evidence.landed_s
    if math.isnan(landed_s):
        return
    for name, recovered in evidence.recoveries().items():
        mine = evidence.requests[evidence.requests["operation"] == OPERATIONS[name]]
        bad = mine[(mine["outcome"] != "ok") & (mine["finished_s"] >= landed_s)]
        if len(bad):
            first = bad.sort_values("finished_s").iloc[0]
            yield Event(float(first["finished_s"]), "client", f"{name} fails", str(first["error"]))
        if recovered.time_s is not None:
            yield Event(landed_s + recovered.time_s, "client", f"{name} recovered", "")
