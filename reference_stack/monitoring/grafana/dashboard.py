"""The dashboard: panels in their places, variables, and alerts marked on the charts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from architecture.design import Design
from reference_stack.monitoring.grafana.panels import (
    Document,
    Panel,
    alert_panels,
    chart_panels,
    sites_panel,
    tile_panel,
)
from reference_stack.monitoring.grafana.variables import DATASOURCE, variables
from reference_stack.monitoring.pace import duration, pace
from reference_stack.monitoring.panels import TOLD_ALONE, tiles
from reference_stack.monitoring.rules.model import Severity

SCHEMA_VERSION: Final = 42
DATASOURCE_NAME: Final = "Prontuário Prometheus"
GRID_WIDTH: Final = 24
MINUTES: Final = 15
# Grafana refuses to refresh more often unless told otherwise, and scrapes are no more frequent.
REFRESH: Final = "5s"
# Grafana's limit.
_UID_LENGTH: Final = 40
_MARKS: Final[tuple[tuple[Severity, str], ...]] = (("critical", "red"), ("warning", "orange"))


def dashboard(design: Design) -> Document:
    """The classic dashboard model (schema version 42) for ``design``, as JSON's values."""
    return {
        "uid": uid(design),
        "title": f"Prontuário: failover of {design.name}",
        "description": design.title,
        "tags": ["prontuario"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": REFRESH,
        "time": {"from": f"now-{MINUTES}m", "to": "now"},
        "schemaVersion": SCHEMA_VERSION,
        "templating": {"list": variables(DATASOURCE_NAME)},
        "annotations": {"list": [_mark(design, *mark) for mark in _MARKS]},
        "panels": _placed(design),
    }


def uid(design: Design) -> str:
    """Names the dashboard within a Grafana: one per design; a digest shortens a long name."""
    plain = f"prontuario-{design.name}"
    if len(plain) <= _UID_LENGTH:
        return plain
    digest = hashlib.sha256(design.name.encode()).hexdigest()[:8]
    return f"{plain[: _UID_LENGTH - 9]}-{digest}"


def _mark(design: Design, severity: Severity, colour: str) -> Document:
    step = duration(pace(design).scrape_s)
    matchers = f'alertstate="firing",severity="{severity}",{TOLD_ALONE}'
    return {
        "name": f"Alerts: {severity}",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": f"ALERTS{{{matchers}}}",
        "step": step,
        "titleFormat": "{{alertname}} {{form}}",
        "textFormat": "{{site}} {{path}} {{sli}} {{window}}",
        "tagKeys": "severity",
        "useValueForTime": False,
    }


def _placed(design: Design) -> list[Document]:
    """Rows from the top: what is now, the sites and what alerts, how it came to this."""
    fires, silent = alert_panels()
    page = _Page()
    page.heading("Now")
    page.row([tile_panel(tile) for tile in tiles(design)], width=6, height=3)
    page.heading("Sites")
    page.row([sites_panel(design)], width=GRID_WIDTH, height=4 + len(design.sites))
    page.row([fires], width=16, height=7, ends=False)
    page.row([silent], width=8, height=7)
    page.heading("How it came to this")
    page.row(chart_panels(design), width=8, height=8)
    return page.panels


class _Page:
    """Lays panels out from left to right and from top to bottom, and numbers them."""

    def __init__(self) -> None:
        self.panels: list[Document] = []
        self._x = self._y = 0

    def heading(self, title: str) -> None:
        """A row of Grafana's, open."""
        self._add({"type": "row", "title": title, "collapsed": False, "panels": []}, GRID_WIDTH, 1)
        self._x, self._y = 0, self._y + 1

    def row(self, panels: Sequence[Panel], width: int, height: int, *, ends: bool = True) -> None:
        """Panels of one size; ``ends``: what follows begins below them."""
        for panel in panels:
            if self._x + width > GRID_WIDTH:
                self._x, self._y = 0, self._y + height
            self._add({"type": panel.type, "title": panel.title, "datasource": DATASOURCE}
                      | panel.fields, width, height)  # fmt: skip
            self._x += width
        if ends:
            self._x, self._y = 0, self._y + height

    def _add(self, panel: dict[str, Any], width: int, height: int) -> None:
        place = {"x": self._x, "y": self._y, "w": width, "h": height}
        self.panels.append({"id": len(self.panels) + 1, "gridPos": place} | panel)
