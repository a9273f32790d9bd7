"""The faults that are modelled, and what each does to a design's parts."""

from __future__ import annotations

from typing import Literal

from architecture.design import Design

FaultName = Literal[
    "primary-power-loss", "primary-crash", "primary-hang", "primary-partition", "database-crash",
    "api-crash", "inference-crash", "switchover", "standby-power-loss", "both-power-loss",
    "site-loss", "balancer-loss",
]  # fmt: skip

#: The primary's site goes, and the other node is promoted. ``primary-crash``: every process of it
#: ends and the machine refuses connections; ``primary-hang``: every process stands still (SIGSTOP)
#: and the kernel still accepts; ``primary-partition``: the site runs on, cut off from everything.
PRIMARY_FAULTS: tuple[FaultName, ...] = (
    "primary-power-loss", "primary-crash", "primary-hang", "primary-partition",
)  # fmt: skip
#: One process ends; the supervisor (or Patroni, for PostgreSQL) starts it again.
PROCESS_FAULTS: tuple[FaultName, ...] = ("database-crash", "api-crash", "inference-crash")
#: Clients find no balancer where they were.
EDGE_FAULTS: tuple[FaultName, ...] = ("site-loss", "balancer-loss")
FAULTS: tuple[FaultName, ...] = (
    *PRIMARY_FAULTS, *PROCESS_FAULTS, "switchover", "standby-power-loss", "both-power-loss",
    *EDGE_FAULTS,
)  # fmt: skip

Response = Literal["silent", "refused", "hung"]


def response(fault: FaultName) -> Response:
    """How what was struck answers: not at all, by refusing, or by accepting and saying nothing."""
    if fault in {"primary-crash", *PROCESS_FAULTS}:
        return "refused"
    return "hung" if fault == "primary-hang" else "silent"


def faults_of(design: Design) -> tuple[FaultName, ...]:
    """The faults that can strike ``design``.

    Without replication of its own a design has no primary to lose and nothing to switch over to; a
    managed database's provider changes to the second zone when the first loses its power. Losing
    both nodes or the site is modelled where the cloud can take over.
    """
    database = design.database
    found: set[FaultName] = {"api-crash", "inference-crash", "balancer-loss"}
    if database.replication != "none":
        found |= {*PRIMARY_FAULTS, "database-crash", "switchover", "standby-power-loss"}
        if design.fallback is not None and database.cloud_standby is not None:
            found |= {"both-power-loss", "site-loss"}
    elif database.managed is not None and database.managed.availability == "regional":
        found.add("primary-power-loss")
    if not design.sites_with("inference"):
        found.discard("inference-crash")
    if not design.sites_with("balancer"):
        found.discard("balancer-loss")
    return tuple(fault for fault in FAULTS if fault in found)
