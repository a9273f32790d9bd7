"""What `testbed simulate` plays besides the design: a day, faults on a timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from architecture import Design, InputError

if TYPE_CHECKING:
    from simulator.hospital import Scenario

# What is watched after the last fault.
AFTERMATH_S = 600.0


def scenario_of(
    system: Design, *, users: int | None, day: bool, faults: Sequence[str], duration_s: float | None
) -> Scenario:
    """What `simulate`'s options ask for.

    Raises:
        InputError: for a fault the design does not have, or a day its workload does not have.
    """
    from simulator.hospital import A_DAY, Scenario, parse_fault

    if day and system.workload.day is None:
        raise InputError("the design's workload has no day", where="--day", key="workload.day")
    struck = tuple(parse_fault(text, system) for text in faults)
    base = A_DAY if day else Scenario(timeline=bool(struck))
    if struck and not day:
        latest = max(fault.at_s + (fault.lasts_s or 0.0) for fault in struck)
        base = replace(base, warmup_s=0.0, duration_s=latest + AFTERMATH_S)
    if duration_s is not None:
        base = replace(base, duration_s=duration_s)
    return replace(base, users=users, faults=struck)
