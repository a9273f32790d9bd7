"""The documents' own alerts (B-18), word for word from the design."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.monitoring.pace import Pace
from reference_stack.monitoring.rules.model import Alerting, Group

FORM = {"form": "literal"}


def literal_group(design: Design, pace: Pace) -> Group:
    """Every alert of ``design.alerts``, unchanged."""
    return Group(
        "literal",
        pace.evaluation_s,
        tuple(
            Alerting(name, alert.expression, alert.for_s, alert.severity, alert.summary, FORM)
            for name, alert in design.alerts.items()
        ),
    )
