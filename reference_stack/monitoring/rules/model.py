"""Prometheus rules as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reference_stack.monitoring.pace import duration

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Recording:
    """A query whose answer is kept under a name of its own."""

    record: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        document: dict[str, Any] = {"record": self.record, "expr": self.expression}
        return document | ({"labels": dict(self.labels)} if self.labels else {})


@dataclass(frozen=True)
class Alerting:
    """An alert: it fires once ``expression`` has had an answer for ``for_s`` seconds."""

    alert: str
    expression: str
    for_s: float
    severity: Severity
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        return {
            "alert": self.alert,
            "expr": self.expression,
            "for": duration(self.for_s),
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {"summary": self.summary, **self.annotations},
        }


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated together, one after another, every ``interval_s`` seconds."""

    name: str
    interval_s: float
    rules: tuple[Recording | Alerting, ...]

    def document(self) -> dict[str, Any]:
        """The group as Prometheus reads it."""
        return {
            "name": self.name,
            "interval": duration(self.interval_s),
            "rules": [rule.document() for rule in self.rules],
        }


def one_of(label: str, values: tuple[str, ...]) -> str:
    """A matcher for any of ``values``, which hold no characters special to RE2 (site names)."""
    return f'{label}=~"{"|".join(values)}"'
