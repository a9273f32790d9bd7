"""Which function settles which doubt. A doubt is added by a function and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from architecture import InputError
from architecture.requirements import all_requirements
from simulator.findings.budget import drills, which_uptime
from simulator.findings.catalogue import (
    hundred_milliseconds,
    memory,
    metal_in_a_pod,
    sizes,
    tpu_residency,
)
from simulator.findings.detection import degraded_alert, detection_arithmetic, late_alerts
from simulator.findings.finding import Finding
from simulator.findings.inquiry import Inquiry
from simulator.findings.losses import documents_by_rsync, primary_wins, redis, standby_loss
from simulator.findings.single_points import single_balancer, single_workers, two_member_etcd
from simulator.findings.storm import reconnections

Settle = Callable[[Inquiry], Finding]
Progress = Callable[[str], None]

SETTLED_BY: Mapping[str, Settle] = MappingProxyType(
    {
        "D-01": two_member_etcd,
        "D-02": standby_loss,
        "D-03": detection_arithmetic,
        "D-04": documents_by_rsync,
        "D-05": primary_wins,
        "D-06": redis,
        "D-07": degraded_alert,
        "D-08": late_alerts,
        "D-09": single_balancer,
        "D-10": drills,
        "D-11": which_uptime,
        "D-12": hundred_milliseconds,
        "D-13": tpu_residency,
        "D-14": metal_in_a_pod,
        "D-15": single_workers,
        "D-16": reconnections,
        "D-17": memory,
        "D-18": sizes,
    }
)


def settle(
    inquiry: Inquiry, ids: Sequence[str] = (), progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Settle the doubts with these ids, in their order; all of them by default.

    Raises:
        InputError: for an id that is no doubt, or a design that lacks what a doubt is about.
    """
    wanted = tuple(ids) or tuple(SETTLED_BY)
    for doubt in wanted:
        if doubt not in SETTLED_BY:
            raise InputError(
                f"'{doubt}' is no doubt", where="findings", allowed=", ".join(SETTLED_BY)
            )
    found = []
    for doubt in wanted:
        if progress is not None:
            progress(f"{doubt}: {doubts()[doubt]}")
        found.append(SETTLED_BY[doubt](inquiry))
    return tuple(found)


def doubts() -> dict[str, str]:
    """The doubts' own words by id."""
    return {row.id: row.text for row in all_requirements() if row.kind == "doubt"}
