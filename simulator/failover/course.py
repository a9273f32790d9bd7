"""From a fault and its circumstances to its course: when each part of the way is whole again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from architecture.design import Design
from simulator.failover.circumstances import Circumstances
from simulator.failover.cloud import balancer_lost, both_lost, site_lost
from simulator.failover.faults import FaultName
from simulator.failover.planned import standby_lost, switched_over
from simulator.failover.primary import primary_lost
from simulator.failover.processes import api_crashed, database_crashed, model_crashed
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms

Course = Callable[[Design, Terms, Circumstances], Recovery]

COURSES: Mapping[FaultName, Course] = {
    "primary-power-loss": primary_lost,
    "primary-crash": primary_lost,
    "primary-hang": primary_lost,
    "primary-partition": primary_lost,
    "database-crash": database_crashed,
    "api-crash": api_crashed,
    "inference-crash": model_crashed,
    "switchover": switched_over,
    "standby-power-loss": standby_lost,
    "both-power-loss": both_lost,
    "site-loss": site_lost,
    "balancer-loss": balancer_lost,
}


def recover(
    design: Design, terms: Terms, chance: Circumstances, *, word_after_s: float | None = None
) -> Recovery:
    """Play one fault through, from its moment to the last part's recovery.

    ``word_after_s`` is when a person confirms the loss of the site, see :func:`site_lost`.
    """
    if terms.fault == "site-loss":
        return site_lost(design, terms, chance, word_after_s)
    return COURSES[terms.fault](design, terms, chance)
