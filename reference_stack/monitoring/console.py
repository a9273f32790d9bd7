"""The page an operator watches in a failover, served by Prometheus itself as a console template.

Tables and tiles are filled in by Prometheus's template functions, so they are there without
JavaScript; the page's own script renews them and draws the charts from Prometheus's API. Nothing
is loaded from anywhere else.
"""

from __future__ import annotations

import html
import json
from dataclasses import asdict
from importlib import resources
from typing import Final

from architecture.design import Design
from reference_stack.monitoring.pace import duration, pace
from reference_stack.monitoring.panels import (
    ALERTS,
    COLOURS,
    SILENT_PARTS,
    Column,
    Tile,
    Who,
    charts,
    columns,
    tiles,
)

PAGE: Final = "failover.html"
MINUTES: Final = 15
REFRESH_S: Final = 2


def failover_page(design: Design) -> str:
    """The template of the page for this design."""
    page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    parts = {
        "NAME": html.escape(design.name),
        "SCRAPE": duration(pace(design).scrape_s),
        "TILES": "\n".join(_tile(tile) for tile in tiles(design)),
        "SITES": _table(design),
        "CHARTS": json.dumps([asdict(chart) for chart in charts(design)]),
        "ALERTS": ALERTS,
        "SILENT-PARTS": SILENT_PARTS,
        "COLOURS": json.dumps(COLOURS),
        "SITE-NAMES": json.dumps(list(design.sites)),
        "MINUTES": str(MINUTES),
        "REFRESH-S": str(REFRESH_S),
    }
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text)
    return page


def _tile(tile: Tile) -> str:
    if isinstance(tile, Who):
        shown = f"{{{{ .Labels.{tile.label} }}}}"
    else:
        known = "".join(_when(value, html.escape(words)) for value, words, _kind in tile.words)
        shown = known or f"{{{{ {_number(tile.unit)} }}}}"
    return (
        f"{{{{ $good := query `{tile.good}` }}}}"
        f'<div class="tile {{{{ if $good }}}}good{{{{ else }}}}bad{{{{ end }}}}">'
        f"<h3>{html.escape(tile.title)}</h3><p>"
        f"{{{{ range query `{tile.query}` }}}}{shown} "
        f"{{{{ else }}}}{html.escape(tile.nothing)}{{{{ end }}}}</p></div>"
    )


def _when(value: float, shown: str) -> str:
    return f"{{{{ if eq .Value {float(value)} }}}}{shown}{{{{ end }}}}"


def _number(unit: str) -> str:
    if unit == "s":
        return "humanizeDuration .Value"
    return f'printf "%.4g{unit.replace("%", "%%")}" .Value'


def _table(design: Design) -> str:
    found = columns(design)
    questions = "".join(
        f"{{{{ $c{position} := query `{column.query}` }}}}" for position, column in enumerate(found)
    )
    head = "".join(f"<th>{html.escape(column.title)}</th>" for column in found)
    rows = []
    for name, site in design.sites.items():
        cells = "".join(f"<td>{_cell(name, n, column)}</td>" for n, column in enumerate(found))
        title = f"{html.escape(name)}<small>{html.escape(site.title)}</small>"
        rows.append(f'<tr><th scope="row">{title}</th>{cells}</tr>')
    body = "\n".join(rows)
    return f"<thead><tr><th>Site</th>{head}</tr></thead>\n<tbody>{questions}{body}</tbody>"


def _cell(site: str, position: int, column: Column) -> str:
    known = "".join(
        _when(value, f'<span class="mark {kind}">{html.escape(words)}</span>')
        for value, words, kind in column.words
    )
    shown = known or f"{{{{ {_number(column.unit)} }}}}"
    return (
        f'{{{{ range $c{position} }}}}{{{{ if eq .Labels.site "{site}" }}}}{shown}'
        "{{ end }}{{ end }}"
    )
