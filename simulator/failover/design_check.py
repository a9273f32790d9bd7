"""Promises that a design's own configuration cannot keep, found before anything starts."""

from __future__ import annotations

import math
from typing import NamedTuple

from architecture.design import Design
from simulator.failover.bound import failover_bound_s

OPERATIONS = {"lookup": "read", "note": "write"}


class Problem(NamedTuple):
    """A key of the design and what is wrong with it."""

    key: str
    message: str


def design_problems(design: Design) -> list[Problem]:
    """What keeps the design from its promises, by closed form.

    A recovery-time objective is a problem when the longest possible failover exceeds it, and when
    no failover is possible at all.
    """
    problems = [*_quorum(design)]
    bounds = failover_bound_s(design)
    for objective in design.objectives:
        if objective.metric != "rto_s" or objective.at_most is None or objective.fault is None:
            continue
        operation = OPERATIONS.get(objective.operation or "", objective.operation or "write")
        bound = bounds.get(objective.fault, {}).get(operation)
        if bound is None or bound <= objective.at_most:
            continue
        longest = "for ever" if math.isinf(bound) else f"up to {bound:.1f} s"
        problems.append(
            Problem(
                f"objectives.{objective.id}",
                f"{operation}s can be out {longest} after {objective.fault}, "
                f"promised are at most {objective.at_most:g} s",
            )
        )
    return problems


def _quorum(design: Design) -> list[Problem]:
    consensus = design.database.consensus
    if consensus is None or len(consensus.voters) - 1 >= consensus.quorum:
        return []
    return [
        Problem(
            "database.consensus.voters",
            f"{len(consensus.voters)} voters lose quorum with any one of them: "
            "the survivor can elect no primary (D-01); add a witness",
        )
    ]
