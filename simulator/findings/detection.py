"""D-03, D-07, D-08: how soon a loss is noticed, by machines and by people."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from architecture.design import Design
from evidence import Estimate
from simulator.failover import FaultName, failover_bound_s, resolve, term_bounds_s
from simulator.failover.checks import detection_s, down_s
from simulator.findings.finding import Figure, Finding, Mend, calculated, exactly, within
from simulator.findings.inquiry import LITERAL_CHECKS, LITERAL_LEASE, Inquiry
from simulator.statistics import central

PROMISED_S = 30.0
# B-09: the replica is at most so late.
LAG_S = 0.1
FAULT: Final[FaultName] = "primary-power-loss"


def detection_arithmetic(inquiry: Inquiry) -> Finding:
    """D-03: what the documents' settings take, part by part, against thirty seconds."""
    literal, design = inquiry.variant(*LITERAL_CHECKS, *LITERAL_LEASE), inquiry.design
    promised_s = design.failover.promised_s if design.failover is not None else PROMISED_S
    found_s = inquiry.outages_s(literal, FAULT)
    mended_s = inquiry.outages_s(design, FAULT)
    bound_s = failover_bound_s(literal, [FAULT])[FAULT]["write"]
    mended_bound_s = failover_bound_s(design, [FAULT])[FAULT]["write"]
    check = literal.edge.database_check
    soonest_s = down_s(check, 0.0, check.timeout_s)
    terms = term_bounds_s(literal, resolve(literal, FAULT))
    late = float((found_s > promised_s).mean())
    return Finding(
        id="D-03",
        claim="B-04's checks and Patroni's default lease do not leave room for a failover in 30 s",
        method="simulation",
        how="worst case in closed form; distribution of the client-visible outage by simulation",
        evidence=(
            calculated(
                "detection by the balancer, soonest to longest", within(
                    soonest_s, (soonest_s + detection_s(check, silent=True)) / 2,
                    detection_s(check, silent=True),
                ), "s",
            ),
            calculated("the lease ends at the latest after", terms.lease_s, "s"),
            calculated("longest outage of writes, literal settings", bound_s, "s"),
            Figure(
                what="outage of writes, literal settings", value=central(found_s, 0.95), unit="s"
            ),
            Figure(what="share of failovers over the promise, literal settings",
                   value=share_of(found_s > promised_s)),
        ),
        verdict="held" if bound_s > promised_s and late > 0 else "refuted",
        reason=f"{late:.0%} of {len(found_s)} simulated failovers last over {promised_s:g} s",
        mend=Mend(
            what="fastinter, downinter and rise 1 at the balancer; a failure detector beside the "
            "witness that ends a dead primary's lease; Patroni's shortest lease",
            changes=("edge.*_check", "database.lease", "database.failure_detector"),
            evidence=(
                calculated("longest outage of writes", mended_bound_s, "s"),
                Figure(what="outage of writes", value=central(mended_s, 0.95), unit="s"),
                Figure(what="share of failovers over the promise",
                       value=share_of(mended_s > promised_s)),
            ),
        ),
        experiment="testbed chaos run primary-power-loss --design literal-failover",
    )  # fmt: skip


def share_of(flags: np.ndarray) -> Estimate:
    """A share with its Wilson interval (Wilson 1927) at 95 %."""
    n, z = len(flags), 1.959964
    share = float(flags.mean())
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5)
    return Estimate(
        estimate=share, lower=min(max(centre - half, 0.0), share),
        upper=max(min(centre + half, 1.0), share), confidence=0.95, n=n,
    )  # fmt: skip


def degraded_alert(inquiry: Inquiry) -> Finding:
    """D-07: the alert's own expression at every number of nodes down."""
    design = inquiry.design
    alert = design.alerts.get("HAClusterDegraded")
    nodes = len(design.database.sites)
    if alert is None:
        return _no_alert("D-07", "HAClusterDegraded")
    threshold = threshold_of(alert.expression)
    up = [(nodes - down) / nodes for down in range(nodes + 1)]
    fires = [fires_at(alert.expression, share) for share in up]
    mended = [share < 1.0 for share in up]
    return Finding(
        id="D-07",
        claim="HAClusterDegraded does not fire with one of two nodes down",
        method="calculation",
        how=f"the expression {alert.expression!r} evaluated at each share of nodes up",
        evidence=(
            calculated("threshold of the alert, share of nodes up", threshold),
            calculated("share of nodes up with one of them down", up[1]),
            *(calculated(f"fires with {down} of {nodes} down (1: yes)", float(fire))
              for down, fire in enumerate(fires)),
        ),
        verdict="refuted" if fires[1] else "held",
        reason=f"{up[1]:g} is {'' if fires[1] else 'not '}below {threshold:g}",
        mend=Mend(
            what="fire when any node is down: avg(up) < 1",
            changes=("alerts.HAClusterDegraded.expression",),
            evidence=tuple(
                calculated(f"fires with {down} of {nodes} down (1: yes)", float(fire))
                for down, fire in enumerate(mended)
            ),
        ),
    )  # fmt: skip


_COMPARISON = re.compile(r"^(?P<left>.+?)\s*(?P<sign><=|>=|==|<|>)\s*(?P<right>[0-9.]+)\s*$")


def threshold_of(expression: str) -> float:
    """The number an alert's expression compares with.

    Raises:
        ValueError: when it is no comparison with a number.
    """
    found = _COMPARISON.match(expression)
    if found is None:
        raise ValueError(f"'{expression}' is no comparison with a number")
    return float(found["right"])


def fires_at(expression: str, value: float) -> bool:
    """Whether an alert's expression is true when its left side is ``value``."""
    found = _COMPARISON.match(expression)
    if found is None:
        raise ValueError(f"'{expression}' is no comparison with a number")
    right = float(found["right"])
    return {
        "<": value < right, "<=": value <= right, ">": value > right, ">=": value >= right,
        "==": value == right,
    }[found["sign"]]  # fmt: skip


def late_alerts(inquiry: Inquiry) -> Finding:
    """D-08: alerts' thresholds against the objectives they watch over."""
    design = inquiry.design
    lag, down = design.alerts.get("DatabaseReplicationLag"), design.alerts.get("MacStudioDown")
    if lag is None or down is None:
        return _no_alert("D-08", "DatabaseReplicationLag or MacStudioDown")
    objective_s = _lag_objective_s(design)
    ratio = threshold_of(lag.expression) / objective_s
    back_s = inquiry.outages_s(design, FAULT)
    over_before = float((back_s < down.for_s).mean())
    return Finding(
        id="D-08",
        claim="The lag alert is far above its objective; MacStudioDown fires after the failover",
        method="simulation",
        how="thresholds against objectives; the alert's waiting time against simulated failovers",
        evidence=(
            calculated("lag alert's threshold", threshold_of(lag.expression), "s"),
            calculated("objective for the lag", objective_s, "s"),
            calculated("threshold / objective", ratio),
            calculated("MacStudioDown waits at least", down.for_s, "s"),
            Figure(what="outage of writes that it is about", value=central(back_s, 0.95), unit="s"),
            Figure(what="share of failovers over before it fires",
                   value=share_of(back_s < down.for_s)),
        ),
        verdict="held" if ratio >= 10 and over_before > 0.5 else "refuted",  # noqa: PLR2004
        reason=f"{ratio:.0f} times the objective; {over_before:.0%} of failovers are over before "
        f"the {down.for_s:g} s have passed",
        mend=Mend(
            what="alert at the objective itself, and say at once that a node is down",
            changes=("alerts.DatabaseReplicationLag.expression", "alerts.MacStudioDown.for_s"),
            evidence=(
                calculated("threshold / objective", 1.0),
                calculated("MacStudioDown waits at least", 0.0, "s"),
            ),
        ),
    )  # fmt: skip


def _lag_objective_s(design: Design) -> float:
    for objective in design.objectives:
        if objective.metric == "replication_lag_s" and objective.at_most:
            return objective.at_most
    return LAG_S


def _no_alert(finding_id: str, name: str) -> Finding:
    return Finding(
        id=finding_id, claim=f"about the alert {name}", method="calculation",
        how="the design's alerts", evidence=(Figure(what="alerts found", value=exactly(0.0)),),
        verdict="inconclusive", reason=f"the design has no alert {name}",
    )  # fmt: skip
