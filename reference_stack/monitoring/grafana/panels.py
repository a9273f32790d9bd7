"""Grafana's panels for the questions of :mod:`reference_stack.monitoring.panels`.

Field names and values are those of Grafana's classic dashboard model, schema version 42.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from architecture.design import Design
from reference_stack.monitoring.grafana.variables import DATASOURCE, of_chosen_sites
from reference_stack.monitoring.panels import (
    ALERTS,
    COLOURS,
    SILENT_PARTS,
    Chart,
    Column,
    Figure,
    Tile,
    Who,
    Words,
    charts,
    columns,
)

Document = dict[str, Any]
#: Rates over at least four scrapes, and over more when a point stands for more.
RATE_WINDOW: Final = "$__rate_interval"
GOOD, BAD = "semi-dark-green", "semi-dark-red"
_COLOURS: Final = {"good": GOOD, "bad": BAD, "note": "semi-dark-yellow"}
_UNITS: Final = {"": "short", "s": "s", "/s": "suffix:/s", "%": "percent"}
# The alerts' labels that say which, how bad and where, as the table's columns.
_ALERT_COLUMNS: Final = {
    "alertname": "Alert", "form": "Form", "severity": "Severity", "alertstate": "State",
    "site": "Site", "path": "Path", "job": "Job", "sli": "Indicator", "window": "Window",
}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """A panel without its place: Grafana's ``type``, and the fields it has beside place and id."""

    type: str
    title: str
    fields: Document


def tile_panel(tile: Tile) -> Panel:
    """One answer, large, on green while all is well and on red else."""
    return _who(tile) if isinstance(tile, Who) else _figure(tile)


def chart_panels(design: Design) -> list[Panel]:
    """How it came to this; lines of sites keep their colours, and only chosen sites have one."""
    return [_chart(design, chart) for chart in charts(design, RATE_WINDOW)]


def sites_panel(design: Design) -> Panel:
    """A row for each chosen site: what it is and does."""
    found = columns(design)
    names = [f"C{position}" for position in range(len(found))]
    targets = [
        _instant(name, f"max by (site) ({of_chosen_sites(column.query)})", table=True)
        for name, column in zip(names, found, strict=True)
    ]
    values = [f"Value #{name}" for name in names]
    renamed = {value: column.title for value, column in zip(values, found, strict=True)}
    return Panel(
        "table",
        "Sites",
        {
            "targets": targets,
            "transformations": [
                {"id": "merge", "options": {}},
                _organize({"site": "Site"} | renamed, hidden=["Time"]),
            ],
            "fieldConfig": _fields(overrides=[_cell(column) for column in found])
            | {"defaults": {"thresholds": _steps(("transparent", None)), "custom": _TABLE_CELL}},
            "options": _TABLE_OPTIONS,
        },
    )


def alert_panels() -> tuple[Panel, Panel]:
    """What fires or is about to; and how many parts of each site do not answer."""
    state = {
        "matcher": {"id": "byName", "options": _ALERT_COLUMNS["alertstate"]},
        "properties": [
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            {
                "id": "mappings",
                "value": [
                    _mapping({"firing": ("firing", "bad"), "pending": ("pending", "note")}),
                ],
            },
        ],
    }
    fires = _label_table("Alerts", ALERTS, _ALERT_COLUMNS, overrides=[state])
    silent = _label_table(
        "Parts that do not answer",
        SILENT_PARTS,
        {"site": "Site", "alertstate": "State", "Value": "Parts"},
    )
    return fires, silent


def _label_table(
    title: str, query: str, shown: dict[str, str], *, overrides: Sequence[Document] = ()
) -> Panel:
    only = {"id": "filterFieldsByName", "options": {"include": {"names": list(shown)}}}
    return Panel(
        "table",
        title,
        {
            "targets": [_instant("A", query, table=True)],
            "transformations": [only, _organize(shown)],
            "fieldConfig": _fields({"noValue": "none", "custom": _TABLE_CELL}, overrides),
            "options": _TABLE_OPTIONS,
        },
    )


def _who(tile: Who) -> Panel:
    # 1 while all is well and 0 else, so that a wrong number of holders is red on each of them.
    well = f"(count({tile.good}) * 0 + 1 or vector(0))"
    nobody = f'label_replace(vector(0), "{tile.label}", "{tile.nothing}", "", "")'
    query = f"({tile.query}) * 0 + on () group_left () {well} or on () {nobody}"
    return Panel(
        "stat",
        tile.title,
        {
            "targets": [_instant("A", query, legend=f"{{{{{tile.label}}}}}")],
            "fieldConfig": _fields({"thresholds": _steps((BAD, None), (GOOD, 1))}),
            "options": _stat_options("name"),
        },
    )


def _figure(tile: Figure) -> Panel:
    defaults: Document = {
        "unit": _UNITS[tile.unit],
        "noValue": tile.nothing,
        "thresholds": _bounds(tile),
    }
    if tile.words:
        defaults["mappings"] = [_words(tile.words)]
    return Panel(
        "stat",
        tile.title,
        {
            "targets": [_instant("A", tile.query)],
            "fieldConfig": _fields(defaults),
            "options": _stat_options("value"),
        },
    )


def _bounds(tile: Figure) -> Document:
    """A step holds from its value on, so a number that may be reached is red just above it."""
    steps: list[tuple[str, float | None]] = [(GOOD, None)]
    if tile.at_least is not None:
        steps = [(BAD, None), (GOOD, tile.at_least)]
    if tile.at_most is not None:
        steps.append((BAD, math.nextafter(tile.at_most, math.inf)))
    return _steps(*steps)


def _chart(design: Design, chart: Chart) -> Panel:
    by_site = chart.legend == "site"
    target = {
        **_target("A", of_chosen_sites(chart.query) if by_site else chart.query),
        "legendFormat": f"{{{{{chart.legend}}}}}",
        "range": True,
        "instant": False,
    }
    colours = [
        {
            "matcher": {"id": "byName", "options": site},
            "properties": [
                {
                    "id": "color",
                    "value": {"mode": "fixed", "fixedColor": COLOURS[position % len(COLOURS)]},
                }
            ],
        }
        for position, site in enumerate(design.sites if by_site else ())
    ]
    limit = chart.limit is not None
    steps = [(GOOD, None), (BAD, chart.limit)] if limit else [(GOOD, None)]
    defaults = {
        "unit": _UNITS[chart.unit],
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": _steps(*steps),
        "custom": {
            "drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "auto",
            # A gap means that nobody could measure: no line may bridge it.
            "spanNulls": False,
            "thresholdsStyle": {"mode": "dashed" if limit else "off"},
        },
    }  # fmt: skip
    return Panel(
        "timeseries",
        chart.title,
        {
            "targets": [target],
            "fieldConfig": _fields(defaults, colours),
            "options": {
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": True,
                    "calcs": ["lastNotNull"],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        },
    )  # fmt: skip


def _cell(column: Column) -> Document:
    properties: list[Document] = [{"id": "unit", "value": _UNITS[column.unit]}]
    if column.words:
        cell = {"type": "color-background", "mode": "basic"}
        properties += [
            {"id": "mappings", "value": [_words(column.words)]},
            {"id": "custom.cellOptions", "value": cell},
        ]
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


_TABLE_CELL: Final[Document] = {"align": "left", "cellOptions": {"type": "auto"}, "inspect": False}
_TABLE_OPTIONS: Final[Document] = {"showHeader": True, "cellHeight": "sm"}


def _stat_options(text: str) -> Document:
    return {
        "textMode": text, "colorMode": "background", "graphMode": "none", "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
    }  # fmt: skip


def _fields(defaults: Document | None = None, overrides: Sequence[Document] = ()) -> dict[str, Any]:
    return {"defaults": defaults or {}, "overrides": list(overrides)}


def _steps(*steps: tuple[str, float | None]) -> Document:
    listed = [{"color": colour, "value": value} for colour, value in steps]
    return {"mode": "absolute", "steps": listed}


def _words(words: Words) -> Document:
    return _mapping({f"{value:g}": (text, kind) for value, text, kind in words})


def _mapping(shown: dict[str, tuple[str, str]]) -> Document:
    options = {
        value: {"text": text, "color": _COLOURS[kind], "index": position}
        for position, (value, (text, kind)) in enumerate(shown.items())
    }
    return {"type": "value", "options": options}


def _organize(renamed: dict[str, str], hidden: Sequence[str] = ()) -> Document:
    return {
        "id": "organize",
        "options": {
            "excludeByName": dict.fromkeys(hidden, True),
            "indexByName": {name: position for position, name in enumerate(renamed)},
            "renameByName": renamed,
        },
    }


def _instant(name: str, query: str, *, legend: str = "", table: bool = False) -> Document:
    return {
        **_target(name, query),
        "legendFormat": legend or "__auto",
        "range": False,
        "instant": True,
        "format": "table" if table else "time_series",
    }


def _target(name: str, query: str) -> Document:
    return {"refId": name, "datasource": DATASOURCE, "editorMode": "code", "expr": query}
