"""D-01, D-09, D-15: single points whose loss takes everything."""

from __future__ import annotations

import math

from architecture import load_design
from architecture.catalogue import hardware
from architecture.design import Design
from architecture.values import Range
from simulator.failover import FaultName, failover_bound_s
from simulator.failover.terms import survives_standby
from simulator.findings.finding import Figure, Finding, Mend, calculated
from simulator.findings.inquiry import Inquiry

TWO_MEMBERS = (
    "database.consensus={voters: [mac-1, mac-2], preferred_leader: null}",
    "sites.edge.services=[balancer]",
)
ONE_BALANCER = ("edge.shared_address=null", "sites.edge-2.services=[monitoring]")
DESIGN_A = "mac-mini-cluster"


def two_member_etcd(inquiry: Inquiry) -> Finding:
    """D-01: quorum arithmetic, what it makes of a failover, and of a year."""
    design = inquiry.design
    if design.database.consensus is None:
        return _without("D-01", "the design has no consensus of its own")
    literal = inquiry.variant(*TWO_MEMBERS)
    return Finding(
        id="D-01",
        claim="etcd with two members loses quorum when either dies: no primary can be elected",
        method="simulation",
        how="quorum = voters // 2 + 1; longest outage in closed form; yearly downtime simulated",
        evidence=(
            *_quorum_figures(literal),
            calculated("longest outage of writes, primary lost", _bound_s(literal), "s"),
            inquiry.downtime("downtime with two members", literal),
            inquiry.difference("… more than with the witness", literal, design),
        ),
        verdict="held" if _left(literal) < _quorum(literal) else "refuted",
        reason=f"{_left(literal)} voter is left of {_voters(literal)}, {_quorum(literal)} are "
        "needed",
        mend=Mend(
            what="a witness: a third voter on the balancer's machine",
            changes=("database.consensus.voters",),
            cost_brl=_appliance(),
            evidence=(
                *_quorum_figures(design),
                calculated("longest outage of writes, primary lost", _bound_s(design), "s"),
                inquiry.downtime("downtime with the witness", design),
            ),
        ),
        experiment="testbed chaos run standby-power-loss --design two-member-etcd",
    )


def _voters(design: Design) -> int:
    return len(design.database.consensus.voters) if design.database.consensus else 0


def _quorum(design: Design) -> int:
    return design.database.consensus.quorum if design.database.consensus else 0


def _left(design: Design) -> int:
    return _voters(design) - 1


def _quorum_figures(design: Design) -> tuple[Figure, ...]:
    survives = survives_standby(design, design.database.sites[0])
    return (
        calculated("voters", _voters(design)),
        calculated("needed for a quorum", _quorum(design)),
        calculated("left when one is lost", _left(design)),
        calculated("the primary keeps its lease without the standby (1: yes)", float(survives)),
    )


def _bound_s(design: Design) -> float:
    return failover_bound_s(design, ["primary-power-loss"])["primary-power-loss"]["write"]


def single_balancer(inquiry: Inquiry) -> Finding:
    """D-09: what losing the one balancer costs a client, and a year."""
    design = inquiry.design
    if len(design.sites_with("balancer")) < 2:  # noqa: PLR2004
        return _without("D-09", "the design has a single balancer itself")
    literal = inquiry.variant(*ONE_BALANCER)
    fault: FaultName = "balancer-loss"
    one = failover_bound_s(literal, [fault])[fault]
    two = failover_bound_s(design, [fault])[fault]
    more = inquiry.difference("… more than with two", literal, design)
    return Finding(
        id="D-09",
        claim="The balancer is one process on an unnamed machine: losing it is losing everything",
        method="simulation",
        how="longest outage in closed form; yearly downtime of one and of two balancers simulated "
        "under the same luck",
        evidence=(
            calculated("longest outage of writes, balancer lost", one["write"], "s"),
            calculated("longest outage of reads (from the cloud's copy)", one["read"], "s"),
            inquiry.downtime("downtime with one balancer", literal),
            more,
        ),
        verdict="held" if math.isinf(one["write"]) and more.value.lower > 0 else "refuted",
        reason="nothing ends an outage of writes but the balancer's repair"
        if math.isinf(one["write"]) else "writes come back by themselves",
        mend=Mend(
            what="a second balancer that takes the address over by VRRP",
            changes=("edge.shared_address", "sites.edge-2.services"),
            cost_brl=_appliance(),
            evidence=(
                calculated("longest outage of writes, balancer lost", two["write"], "s"),
                inquiry.outage("outage of reads, balancer lost", design, fault, "read"),
                inquiry.downtime("downtime with two balancers", design),
            ),
        ),
        experiment="none yet: losing a balancer is tested in tests/edge, not by an experiment",
    )  # fmt: skip


def single_workers(inquiry: Inquiry) -> Finding:
    """D-15: design A's uptime, where every worker has one role."""
    design = load_design(DESIGN_A)
    singles = [
        service
        for service in ("api", "inference", "control-plane", "search", "reports")
        if len(design.sites_with(service)) == 1
    ]
    down = inquiry.downtime("downtime of design A, every function counted", design)
    allowed_min = 0.001 * 365.25 * 24 * 60
    inside = down.value.upper <= allowed_min
    other = inquiry.downtime("downtime of design B", load_design("dual-m3-ultra"))
    return Finding(
        id="D-15",
        claim="In design A losing any one worker stops a function; its uptime misses 99.9 %",
        method="simulation",
        how="services that run on one site only; yearly downtime simulated with typical figures",
        evidence=(
            calculated("services on a single worker", len(singles), source=", ".join(singles)),
            down,
            inquiry.downtime("… requests not served", design, "request_based"),
            calculated("allowed by 99.9 %", allowed_min, "min/year"),
        ),
        verdict="refuted" if inside else "held" if down.value.lower > allowed_min
        else "inconclusive",
        reason=f"{down.value.estimate:.0f} minutes a year against {allowed_min:.0f} allowed",
        mend=Mend(
            what="a second machine for every role: design B's pair",
            changes=("dual-m3-ultra",),
            cost_brl=_two(hardware("mac-studio-m3-ultra").purchase_price_brl),
            evidence=(other,),
        ),
    )  # fmt: skip


def _two(price: Range | None) -> Range | None:
    if price is None:
        return None
    return Range(
        low=2 * price.low, typical=2 * price.typical, high=2 * price.high,
        source=f"two of: {price.source}",
    )  # fmt: skip


def _appliance() -> Range | None:
    return hardware("edge-appliance").purchase_price_brl


def _without(finding_id: str, reason: str) -> Finding:
    return Finding(
        id=finding_id, claim=reason, method="calculation", how="the design's own keys",
        evidence=(calculated("what the doubt is about", 0.0),), verdict="inconclusive",
        reason=reason,
    )  # fmt: skip
