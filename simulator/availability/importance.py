"""Which component matters: what it costs that it fails, and what a little better would bring."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.availability.exact import ExactModel, scaled
from simulator.availability.uptime import Inputs, Replication, UptimeModel

STEP = 0.01
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Importance:
    """What one cause is worth. Minutes of unplanned downtime a year.

    Attributes:
        cause: Key of the failure mode, or power, release, pause.
        perfect_min: Saved when it never failed (a Birnbaum measure times its unavailability).
        failure_elasticity: Percent of downtime for one percent longer between failures; negative.
        repair_elasticity: Percent of downtime for one percent longer repairs.
        simulated_min: ``perfect_min`` from simulations that differ in this cause alone and meet the
            same luck otherwise; None when they were not made.
    """

    cause: str
    perfect_min: float
    failure_elasticity: float
    repair_elasticity: float
    simulated_min: Estimate | None = None


def importance(exact: ExactModel) -> list[Importance]:
    """The importance of every cause for time-based uptime, greatest first, at typical figures."""
    numbers = exact.numbers()
    units = exact.model.plant.units
    base_h = exact.unplanned_h("time_based", numbers)
    found = []
    for cause in dict.fromkeys(unit.cause for unit in units):
        chosen = [index for index, unit in enumerate(units) if unit.cause == cause]

        def lost_h(failure: float = 1.0, repair: float = 1.0, of: list[int] = chosen) -> float:
            changed = scaled(numbers, of, failure=failure, repair=repair)
            return exact.unplanned_h("time_based", changed)

        found.append(
            Importance(
                cause=cause,
                perfect_min=(base_h - lost_h(failure=math.inf)) * 60,
                failure_elasticity=_elasticity(base_h, lost_h(failure=1 + STEP)),
                repair_elasticity=_elasticity(base_h, lost_h(repair=1 + STEP)),
            )
        )
    return sorted(found, key=lambda item: -item.perfect_min)


def _elasticity(before: float, after: float) -> float:
    return (after - before) / before / STEP if before > 0 else 0.0


def simulated_importance(
    model: UptimeModel, base: list[Replication], *, years: int, seed: int, inputs: Inputs,
    progress: Progress | None = None,
) -> dict[str, Estimate]:  # fmt: skip
    """The minutes a year that each perfect cause would save, by paired simulations.

    Args:
        model: The design.
        base: Its replications with everything failing as it does.
        years: Of each replication in ``base``.
        seed: The same as of ``base``.
        inputs: The same as of ``base``.
        progress: Told which cause is simulated.
    """
    found = {}
    for cause in dict.fromkeys(unit.cause for unit in model.plant.units):
        if progress is not None:
            progress(f"what if '{cause}' never failed")
        saved = []
        for number, before in enumerate(base):
            after = model.replication(
                number, years=years, seed=seed, inputs=inputs, perfect=frozenset({cause})
            )
            saved.append(60 * float((before.accounts.yearly_h - after.accounts.yearly_h).mean()))
        found[cause] = mean_interval(saved)
    return found
