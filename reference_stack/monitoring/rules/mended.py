"""The documents' alerts in a form that does what they are for (D-07, D-08, D-11).

Each keeps its name and carries the doubt it settles. Bounds come from the design's objectives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from architecture.design import Design
from architecture.objectives import Metric
from architecture.operations import Alert
from reference_stack.monitoring import names
from reference_stack.monitoring.pace import Pace
from reference_stack.monitoring.rules.model import Alerting, Group, one_of

FORM: Final = {"form": "mended"}
Mend = Callable[[Design, Pace, Alert], Alerting]


def mended_group(design: Design, pace: Pace) -> Group:
    """A mended form of each alert of the design that has one."""
    return Group(
        "mended",
        pace.evaluation_s,
        tuple(
            _MENDS[name](design, pace, alert)
            for name, alert in design.alerts.items()
            if name in _MENDS
        ),
    )


def down_for_s(design: Design, pace: Pace) -> float:
    """How long a Mac must be down before the alert: two missed scrapes, or less if that is late.

    The alert is to arrive before the promised failover is over, so that a person sees it begin.
    """
    promised = design.failover.promised_s if design.failover else float("inf")
    left = promised - pace.alert_bound_s(0)
    return max(0.0, min(pace.missed_twice_s, left))


def _mac_studio_down(design: Design, pace: Pace, alert: Alert) -> Alerting:
    for_s = down_for_s(design, pace)
    bound = pace.alert_bound_s(for_s)
    promised = design.failover.promised_s if design.failover else None
    return Alerting(
        "MacStudioDown",
        f'up{{job="{names.MAC_STUDIO}"}} == 0',
        for_s,
        alert.severity,
        "{{ $labels.site }} is down",
        FORM,
        {
            "doubt": f"D-08: the literal form waits {alert.for_s:g} s, until a failover of "
            f"{promised or alert.for_s:g} s should be over; this one arrives within {bound:g} s",
        },
    )


def _replication_lag(design: Design, pace: Pace, alert: Alert) -> Alerting:
    promised = bound_of(design, "replication_lag_s")
    lag = replication_lag(design)
    # Without a promise of lag there is nothing better than the literal bound.
    expression = f"{lag} > {promised:g}" if promised is not None else alert.expression
    return Alerting(
        "DatabaseReplicationLag",
        expression,
        pace.missed_twice_s,
        alert.severity,
        "{{ $labels.site }} is {{ $value | humanizeDuration }} behind the primary",
        FORM,
        {
            "doubt": f"D-08: the literal form ({alert.expression} for {alert.for_s:g} s) is far "
            f"above the promised {promised or 0:g} s (B-09); this one holds the promise itself",
        },
    )


def replication_lag(design: Design) -> str:
    """Seconds a hospital standby is behind, by site: the larger of what it and its primary say.

    A standby knows that it hears nothing and what it has not replayed; its primary knows what it
    has not flushed (``flush``: the other stage reads too much while little is written).
    """
    its_own = f"pg_replication_lag{{{one_of('site', design.database.sites)}}}"
    primarys = (
        'label_replace(postgresql_replication_lag_seconds{stage="flush",'
        f"{one_of('standby', design.database.sites)}}}, "
        '"site", "$1", "standby", "(.*)")'
    )
    return f"max by (site) ({its_own} or {primarys})"


def _fallback_activated(_design: Design, _pace: Pace, alert: Alert) -> Alerting:
    emergency = f'{names.SERVING_SITE}{{mode="emergency"}} == 1'
    return Alerting(
        "GCPFallbackActivated",
        f"max(gcp_fallback_active) == 1 or max({emergency})",
        alert.for_s,
        alert.severity,
        "Clinicians are served by Google Cloud with reduced functions",
        FORM,
        {
            "doubt": "D-11: the literal form hears only the controller; clients can be served by "
            "the emergency site before it has decided, or while it is unreachable",
        },
    )


def _cluster_degraded(_design: Design, pace: Pace, alert: Alert) -> Alerting:
    # Not count(up == 1) / count(up): with every node down that has no answer and never fires.
    return Alerting(
        "HAClusterDegraded",
        f'avg(up{{job="{names.MAC_STUDIO}"}}) <= 0.5',
        pace.missed_twice_s,
        alert.severity,
        "{{ $value | humanizePercentage }} of the Macs are up: the next loss ends redundancy",
        FORM,
        {
            "doubt": "D-07: with one of two Macs down the average is 0.5, which is not < 0.5: the "
            f"literal form fires only when both are gone; it also waits {alert.for_s:g} s",
        },
    )


_MENDS: Final[Mapping[str, Mend]] = {
    "MacStudioDown": _mac_studio_down,
    "DatabaseReplicationLag": _replication_lag,
    "GCPFallbackActivated": _fallback_activated,
    "HAClusterDegraded": _cluster_degraded,
}


def bound_of(design: Design, metric: Metric, fault: str | None = None) -> float | None:
    """The ``at_most`` of the design's first objective of this metric (and fault), if any."""
    for objective in design.objectives:
        if objective.metric == metric and fault in {None, objective.fault}:
            return objective.at_most
    return None
