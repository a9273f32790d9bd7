"""Horizontal bars against a budget, each with its name and figure beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from evidence import Estimate
from reports import palette

Width = Literal["wide", "narrow"]


@dataclass(frozen=True)
class Bar:
    """One bar: a name, what is written beside it, and its length; an interval becomes a whisker."""

    name: str
    words: str
    value: Estimate
    strong: bool = False


@dataclass(frozen=True)
class _Layout:
    """Sizes in units of the picture: names stand before their bars, or above them.

    ``left`` and ``right`` bound the bars, ``figures`` is where figures end; longer names than
    ``letters`` are cut.
    """

    width: float
    left: float
    right: float
    figures: float
    row: float
    bar_y: float
    bar: float
    font: float
    letters: int
    names_above: bool


_LAYOUTS: dict[Width, _Layout] = {
    "wide": _Layout(
        749, 268, 648, 747, row=20, bar_y=4, bar=10, font=9.8, letters=48, names_above=False
    ),
    "narrow": _Layout(
        320, 2, 318, 318, row=29, bar_y=15, bar=8, font=9.8, letters=46, names_above=True
    ),
}
_TOP = 24.0


def bars(rows: Sequence[Bar], budget: float, budget_words: str, width: Width = "wide") -> str:
    """An ``<svg>`` element; the dashed line is the budget.

    Args:
        rows: From top to bottom, in one unit.
        budget: In the same unit.
        budget_words: Written above its line.
        width: ``narrow`` is laid out for a telephone's width.
    """
    layout = _LAYOUTS[width]
    longest = max([budget, *(row.value.upper for row in rows)], default=1.0)
    scale = (layout.right - layout.left) / max(longest * 1.02, 1e-9)
    height = _TOP + layout.row * len(rows) + 4
    at = layout.left + budget * scale
    parts = [_row(row, number, scale, layout) for number, row in enumerate(rows)]
    if layout.names_above:  # names and figures stand between the bars: the line leaves them out
        tops = [_TOP + layout.row * number + layout.bar_y for number in range(len(rows))]
        parts += [_limit(at, top - 2, top + layout.bar + 3) for top in tops]
    else:
        parts.append(_limit(at, _TOP - 6, height - 2))
    anchor = "end" if at > layout.width / 2 else "start"
    parts.append(_text(at, _TOP - 11, budget_words, anchor, layout, colour=palette.PROMISED))
    label = escape(
        "; ".join([budget_words, *(f"{row.name}: {row.words}" for row in rows)]), quote=True
    )
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {layout.width:g} {height:g}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _limit(x: float, y1: float, y2: float) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" '
        f'stroke="{palette.PROMISED}" stroke-width="1.4" stroke-dasharray="4 2.5"/>'
    )


def _row(row: Bar, number: int, scale: float, layout: _Layout) -> str:
    top = _TOP + number * layout.row
    y, middle = top + layout.bar_y, top + layout.bar_y + layout.bar / 2
    start, end, length = (
        layout.left + max(value, 0.0) * scale
        for value in (row.value.lower, row.value.upper, row.value.estimate)
    )
    text_y = top + 10 if layout.names_above else middle + layout.font * 0.35
    name_x, anchor = (layout.left, "start") if layout.names_above else (layout.left - 8, "end")
    colour = palette.MEASURED if row.strong else palette.PREDICTED
    shape = f'width="{max(length - layout.left, 0.8):.1f}" height="{layout.bar:g}" fill="{colour}"'
    name = textwrap.shorten(row.name, layout.letters, placeholder="…")
    parts = [
        _text(name_x, text_y, name, anchor, layout, bold=row.strong),
        _text(layout.figures, text_y, row.words, "end", layout, bold=row.strong),
        f'<rect x="{layout.left:g}" y="{y:.1f}" {shape}/>',
    ]
    if end - start > 1:
        parts.append(
            f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
            f'stroke="{palette.PAPER}" stroke-width="3.4"/>'
            f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
            f'stroke="{palette.INK}" stroke-width="1.4"/>'
        )
    return "".join(parts)


def _text(
    x: float, y: float, words: str, anchor: str, layout: _Layout, *, colour: str = palette.INK,
    bold: bool = False,
) -> str:  # fmt: skip
    weight = ' font-weight="650"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{layout.font:g}" text-anchor="{anchor}"{weight} '
        f'fill="{colour}">{escape(words)}</text>'
    )
