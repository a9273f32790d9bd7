"""What a journal adds up to: downtime by year, by cause and by kind, and each outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.availability.long_run import NO_UNIT, IntArray, Journal
from simulator.availability.rates import YEAR_H

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accounts:
    """One replication's unplanned downtime. Hours.

    Attributes:
        years: Simulated years.
        yearly_h: Of each year, time without full service.
        silent_h: Time in which nothing answers, not even an emergency.
        capacity_h: Capacity lost, in hours of full capacity.
        requests_h: Requests lost after their clients' retries, in hours of all requests.
        first_tries_h: The same without retries.
        by_cause_h: Time without full service by the cause whose failure ended it.
        by_phase_h: The same by what was going on; ``repair`` when nothing but a repair was.
        outages_h: Length of each outage.
        outage_causes: Its cause, by position in ``causes``.
        causes: Names.
    """

    years: float
    yearly_h: FloatArray
    silent_h: float
    capacity_h: float
    requests_h: float
    first_tries_h: float
    by_cause_h: dict[str, float]
    by_phase_h: dict[str, float]
    outages_h: FloatArray
    outage_causes: IntArray
    causes: tuple[str, ...]


def settle(journal: Journal, unit_causes: Sequence[str], patience_h: float) -> Accounts:
    """Add a journal up.

    An outage runs from a full state's end to the next full state. Its cause is the unit whose
    failure began it. Of the requests it turns away, those first tried in its last ``patience_h``
    are served in the end: their clients still try.
    """
    spans, states = journal.spans_h, journal.states
    full = np.array([level.full for level in journal.levels])[states]
    lost = np.where(full, 0.0, spans)
    starts = np.flatnonzero(~full & np.concatenate([[True], full[:-1]]))
    number = np.cumsum(~full & np.concatenate([[True], full[:-1]])) - 1
    number = np.where(full, -1, number)

    def per_outage(weights: FloatArray) -> FloatArray:
        found: FloatArray = np.bincount(
            number[~full], weights=weights[~full], minlength=len(starts)
        ).astype(float)
        return found

    def loss(values: list[float]) -> FloatArray:
        found: FloatArray = (1 - np.array(values))[states] * spans
        return found

    outages = per_outage(spans)
    causes = tuple(dict.fromkeys(unit_causes))
    position = np.array([causes.index(cause) for cause in unit_causes] + [len(causes)])
    failing = journal.failing[starts]
    outage_causes = position[np.where(failing == NO_UNIT, len(unit_causes), failing)]
    cause_h = np.bincount(outage_causes, weights=outages, minlength=len(causes) + 1)
    turned_away = per_outage(loss([level.requests for level in journal.levels]))
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(outages > patience_h, 1 - patience_h / outages, 0.0)
    phases = [phase or "repair" for phase in journal.phases]
    phase_h = _by_name(phases, states, lost)
    return Accounts(
        years=journal.horizon_h / YEAR_H,
        yearly_h=_yearly(journal.times_h, lost, journal.horizon_h),
        silent_h=float(loss([float(level.answering) for level in journal.levels]).sum()),
        capacity_h=float(loss([level.capacity for level in journal.levels]).sum()),
        requests_h=float((turned_away * kept).sum()),
        first_tries_h=float(turned_away.sum()),
        by_cause_h={name: float(cause_h[index]) for index, name in enumerate(causes)},
        by_phase_h=phase_h,
        outages_h=outages,
        outage_causes=outage_causes,
        causes=(*causes, "unknown"),
    )


def _by_name(names: list[str], states: IntArray, weights: FloatArray) -> dict[str, float]:
    totals = np.bincount(states, weights=weights, minlength=len(names))
    found: dict[str, float] = {}
    for name, total in zip(names, totals, strict=True):
        if total > 0:
            found[name] = found.get(name, 0.0) + float(total)
    return found


def _yearly(times_h: FloatArray, lost_h: FloatArray, horizon_h: float) -> FloatArray:
    """Lost hours of each whole year: differences of the running total at the years' ends."""
    whole = int(horizon_h / YEAR_H + 1e-9)
    ends = np.concatenate([times_h, [horizon_h]])
    total = np.concatenate([[0.0], np.cumsum(lost_h)])
    yearly: FloatArray = np.diff(np.interp(np.arange(whole + 1) * YEAR_H, ends, total))
    return yearly
