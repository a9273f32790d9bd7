"""D-16: the burst of reconnections after a failover, as far as arithmetic goes."""

from __future__ import annotations

from simulator.findings.finding import Finding, calculated
from simulator.findings.inquiry import Inquiry


def reconnections(inquiry: Inquiry) -> Finding:
    """What all clients logging in at once costs one node's API, and who finds no place."""
    design = inquiry.design
    login = design.workload.demands.get("login")
    users = design.workload.users
    work_s = users * login.cpu_s.mean if login is not None else 0.0
    emergency = design.emergency
    places = emergency.users if emergency is not None else users
    return Finding(
        id="D-16",
        claim="After a failover all clients come back at once: the survivor, or the emergency's "
        "limit, does not hold it",
        method="calculation",
        how="work of one login of every user over one node's API processes; no queueing, no caches",
        evidence=(
            calculated("logins at once", float(users)),
            calculated("processor time of them all", work_s, "s"),
            calculated("… over one node's API processes", work_s / design.api.workers, "s"),
            calculated("users without a place in an emergency", float(max(users - places, 0))),
        ),
        verdict="inconclusive",
        reason="the arithmetic leaves queues and cold caches out",
        experiment="testbed plan (its answer on storms), then testbed chaos run primary-power-loss",
    )
