"""Sweeps over one key: how many spares, how fast a repair, how long a lease."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from architecture.design import Design
from architecture.errors import InputError
from architecture.loading import design_from_tree
from architecture.replication import (
    PATRONI_MIN_LOOP_WAIT_S,
    PATRONI_MIN_RETRY_TIMEOUT_S,
    PATRONI_MIN_TTL_S,
)
from architecture.values import Range
from evidence import Estimate
from evidence.estimate import sample_interval
from simulator.availability.changes import put
from simulator.availability.exact import ExactModel, scaled
from simulator.availability.rates import YEAR_H, false_failovers_per_year
from simulator.availability.uptime import UptimeModel

REPAIR_HOURS = (2.0, 4.0, 8.0, 24.0, 48.0, 96.0)
SPARES = (0, 1, 2, 3)
LEASES_S = (20, 25, 30, 40, 60, 120)
DETECTOR_FALLS = (1, 2, 3, 5, 8)
SWEEP_DRAWS = 30


@dataclass(frozen=True)
class Choice:
    """One setting and what follows from it.

    ``downtime_min`` is time-based, a year, at typical figures; ``uncertain_min`` holds 95 % of what
    the uncertain figures leave possible, with the same draws for every setting.
    """

    setting: str
    downtime_min: float
    uncertain_min: Estimate
    outages_per_year: float


@dataclass(frozen=True)
class LeaseChoice:
    """One lease or detector and its trade: seconds of a failover against failovers for nothing."""

    setting: str
    failover_s: float
    false_failovers_per_year: float
    downtime_min: float
    database_downtime_min: float


def repairs(
    design: Design, mode: str, *, hours: Sequence[float] = REPAIR_HOURS, seed: int = 1,
    draws: int = SWEEP_DRAWS,
) -> list[Choice]:  # fmt: skip
    """What faster repairs of one failure mode bring.

    Raises:
        InputError: when the design has no such failure mode.
    """
    key = f"failures.{_mode(design, mode)}.mean_time_to_repair_h"
    made = []
    for repair_h in hours:
        figure = Range(low=repair_h, typical=repair_h, high=repair_h, source="set by the sweep")
        variant = with_keys(design, {key: figure.model_dump(mode="json")})
        made.append(_choice(f"{repair_h:g} h", variant, seed, draws))
    return made


def spares(
    design: Design, mode: str, *, counts: Sequence[int] = SPARES, seed: int = 1,
    draws: int = SWEEP_DRAWS,
) -> list[Choice]:  # fmt: skip
    """What spares in the cupboard bring for one failure mode.

    Raises:
        InputError: when the design has no such mode, or the mode no time to exchange.
    """
    if design.failures[_mode(design, mode)].mean_time_to_exchange_h is None:
        raise InputError(
            "is needed to say what a spare brings",
            where=design.name, key=f"failures.{mode}.mean_time_to_exchange_h",
        )  # fmt: skip
    key = f"failures.{mode}.spares"
    return [
        _choice(f"{count} in stock", with_keys(design, {key: count}), seed, draws)
        for count in counts
    ]


def leases(design: Design, *, seconds: Sequence[int] = LEASES_S) -> list[LeaseChoice]:
    """Leases without a failure detector, then detectors of different patience with the design's.

    The lease's other times keep their proportion to it, within Patroni's limits.

    Raises:
        InputError: when the design's database has no lease.
    """
    lease = design.database.lease
    if lease is None:
        raise InputError("there is none to choose", where=design.name, key="database.lease")
    found = []
    for ttl_s in seconds:
        loop_s = max(PATRONI_MIN_LOOP_WAIT_S, ttl_s * lease.loop_wait_s // lease.ttl_s)
        retry_s = max(PATRONI_MIN_RETRY_TIMEOUT_S, (ttl_s - loop_s) // 2)
        keys = {
            "database.lease": {
                "ttl_s": max(ttl_s, PATRONI_MIN_TTL_S), "loop_wait_s": loop_s,
                "retry_timeout_s": retry_s,
            },
            "database.failure_detector": None,
        }  # fmt: skip
        found.append(_lease_choice(f"lease {ttl_s} s", with_keys(design, keys)))
    detector = design.database.failure_detector
    if detector is not None:
        for fall in DETECTOR_FALLS:
            variant = with_keys(design, {"database.failure_detector.check.fall": fall})
            found.append(_lease_choice(f"detector, {fall} failed checks", variant))
    return found


def _lease_choice(setting: str, design: Design) -> LeaseChoice:
    exact = ExactModel(UptimeModel(design))
    numbers = exact.numbers()
    parts = exact.model.structure.parts
    database = {"pauses", "node", "node-restart", "database-process"}
    chosen = [index for index, part in enumerate(parts) if part.mode in database]
    total_h = exact.unplanned_h("time_based", numbers)
    without_h = exact.unplanned_h("time_based", scaled(numbers, chosen, failure=math.inf))
    pauses = design.pauses
    return LeaseChoice(
        setting=setting,
        failover_s=exact.model.failover.of("primary-power-loss"),
        false_failovers_per_year=(
            false_failovers_per_year(design, pauses) if pauses is not None else 0.0
        ),
        downtime_min=60 * total_h,
        database_downtime_min=60 * (total_h - without_h),
    )


def _choice(setting: str, design: Design, seed: int, draws: int) -> Choice:
    exact = ExactModel(UptimeModel(design))
    drawn_h = exact.draws(("time_based",), seed=seed, draws=draws)["time_based"]
    return Choice(
        setting=setting,
        downtime_min=60 * exact.lost_h_per_year("time_based"),
        uncertain_min=sample_interval(60 * drawn_h),
        outages_per_year=exact.solve().outages_per_h * YEAR_H,
    )


def _mode(design: Design, mode: str) -> str:
    if mode not in design.failures:
        raise InputError(
            f"there is no failure mode '{mode}'", where=design.name, key="failures",
            allowed=", ".join(design.failures),
        )  # fmt: skip
    return mode


def with_keys(design: Design, keys: Mapping[str, Any]) -> Design:
    """The design with some dotted keys set.

    Raises:
        InputError: when the result is no valid design.
    """
    tree = design.model_dump(mode="json")
    for key, value in keys.items():
        put(tree, key, value)
    return design_from_tree(tree, where=design.name)
