"""The picture of a failover: every attempt, the events, the prediction and the promise."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chaos.measures import OPERATIONS, Operation
from reports import palette, wording
from reports.milestones import Milestone
from reports.picture import Timeline

Width = Literal["wide", "narrow"]

VECTOR_LIMIT = 2_500
"""Attempts beyond which marks become one bitmap: as vectors they would add megabytes."""

_SMALL, _TINY = 8.8, 7.8
_LETTER_SHARE = 0.0066
"""Width of a letter of a label, as a share of the wide picture's time axis."""
_NARROW_BOTTOM_IN = 2.35
_VISIBLE_WAIT_S = 0.05
_LABEL_FLIPS = 0.66
"""Share of the time axis beyond which a label stands left of its line."""
_PROMISED_DASHES = (0, (5, 3))

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": palette.FAINT,
    "text.color": palette.INK,
    "axes.labelcolor": palette.INK,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "figure.facecolor": palette.PAPER,
    "axes.facecolor": palette.PAPER,
}


def draw(picture: Timeline, width: Width = "wide") -> Figure:
    """The picture as a figure; ``narrow`` is laid out for a telephone's width."""
    wide = width == "wide"
    bottom_in = 1.05 if wide else _NARROW_BOTTOM_IN
    with mpl.rc_context({**_STYLE, "font.size": 9.5 if wide else 8.5}):
        heights = [0.24 * _label_rows(picture, wide=wide) + 0.1, 1.5, 1.5, 1.5]
        height_in = sum(heights) + 0.3 + bottom_in
        figure = Figure(figsize=(10.4 if wide else 4.3, height_in))
        FigureCanvasSVG(figure)
        axes = figure.subplots(
            4, 1, sharex=True,
            gridspec_kw={
                "height_ratios": heights, "hspace": 0.1,
                "left": 0.1 if wide else 0.04, "right": 0.985 if wide else 0.96,
                "top": 1 - 0.06 / height_in, "bottom": bottom_in / height_in,
            },
        )  # fmt: skip
        strip, lanes = axes[0], axes[1:]
        for lane, operation in zip(lanes, OPERATIONS, strict=True):
            _lane(lane, picture, operation, wide=wide)
        _marks_of_events(strip, lanes, picture, wide=wide)
        _time_axis(lanes[-1], picture, wide=wide)
        if not wide:
            _key_of_events(figure, picture)
        _legend(figure, picture, wide=wide)
    return figure


def svg(
    picture: Timeline, width: Width = "wide", *, name: str = "timeline", describedby: str = ""
) -> str:
    """The picture as an ``<svg>`` element for a page; the same picture always gives the same text.

    Args:
        picture: What to draw.
        width: Layout.
        name: Put before every id, so that several pictures can stand in one page.
        describedby: Text alternative; becomes the element's ``aria-label``.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        draw(picture, width).savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=160
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    label = describedby.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _lane(lane: Axes, picture: Timeline, operation: Operation, *, wide: bool) -> None:
    last_user = float(picture.attempts["user"].max()) if len(picture.attempts) else 1.0
    lane.set_ylim(-0.05 * max(last_user, 1.0), 1.3 * max(last_user, 1.0))
    lane.set_yticks([])
    lane.spines["left"].set_visible(False)
    lane.tick_params(axis="x", length=0)
    if wide:
        lane.text(
            -0.012, 0.45, wording.OPERATIONS[operation].replace(" ", "\n", 1),
            transform=lane.transAxes, ha="right", va="center", weight="bold",
        )  # fmt: skip
    predicted = picture.predicted_s.get(operation)
    if predicted is not None:
        upper_s = min(predicted.upper, picture.to_s)
        lane.axvspan(predicted.lower, upper_s, color=palette.PREDICTED_WASH, lw=0, zorder=0)
        lane.axvline(predicted.estimate, color=palette.PREDICTED, lw=1.1, ls=(0, (1, 1.6)))
    promised = picture.promised_s.get(operation)
    if promised is not None:
        lane.axvline(promised, color=palette.PROMISED, lw=1.4, ls=_PROMISED_DASHES, zorder=3.5)
    _attempts(lane, picture, operation, wide=wide)
    _measured(lane, picture, operation, wide=wide)


def _attempts(lane: Axes, picture: Timeline, operation: Operation, *, wide: bool) -> None:
    own = picture.attempts[picture.attempts["operation"] == OPERATIONS[operation]]
    bitmap = len(picture.attempts) > VECTOR_LIMIT
    waits = own[own["finished_s"] - own["sent_s"] > _VISIBLE_WAIT_S]
    gap = np.full(len(waits), np.nan)
    lane.plot(
        np.column_stack([waits["sent_s"], waits["finished_s"], gap]).ravel(),
        np.column_stack([waits["user"], waits["user"], gap]).ravel(),
        color=palette.MUTED, lw=0.5, alpha=0.6, zorder=2, rasterized=bitmap,
    )  # fmt: skip
    for outcome, mark in palette.MARKS.items():
        chosen = own[own["outcome"] == outcome]
        lane.plot(
            chosen["finished_s"], chosen["user"], ls="none", marker=mark.marker,
            ms=mark.size if wide else mark.size * 0.8, mew=mark.edge, mec=mark.colour,
            mfc=mark.colour if mark.filled else "none", zorder=3, rasterized=bitmap,
        )  # fmt: skip


def _measured(lane: Axes, picture: Timeline, operation: Operation, *, wide: bool) -> None:
    value = picture.measured_s.get(operation)
    words = "no lasting success measured"
    at_s = picture.from_s + 0.5 * (picture.to_s - picture.from_s)
    if value is not None and value <= picture.to_s:
        lane.axvline(value, color=palette.MEASURED, lw=2.2, zorder=4)
        words, at_s = f"again after {wording.seconds(value)}", value
    elif value is not None:
        words, at_s = "not served again in this span", picture.to_s
    box = {"boxstyle": "round,pad=0.12", "fc": palette.PAPER, "ec": "none", "alpha": 0.85}
    style: dict[str, Any] = {"va": "top", "weight": "bold", "color": palette.MEASURED, "bbox": box}
    if not wide:
        title = f"{wording.OPERATIONS[operation]}: {words}"
        lane.text(0.005, 0.97, title, transform=lane.transAxes, zorder=6, **style)
        return
    right = (at_s - picture.from_s) / (picture.to_s - picture.from_s) < _LABEL_FLIPS
    lane.annotate(
        words, (at_s, 0.97), xycoords=("data", "axes fraction"), xytext=(6 if right else -6, 0),
        textcoords="offset points", ha="left" if right else "right", zorder=6, **style,
    )  # fmt: skip


def _marks_of_events(strip: Axes, lanes: Sequence[Axes], picture: Timeline, *, wide: bool) -> None:
    strip.set_axis_off()
    rows = _label_rows(picture, wide=wide)
    strip.set_ylim(rows, 0)
    for number, label in enumerate(_placed(picture, wide=wide), start=1):
        milestone, row = label.milestone, label.row
        landing = milestone.time_s == 0
        line: dict[str, Any] = {
            "color": palette.INK,
            "lw": 1.1 if landing else 0.6,
            "alpha": 0.9 if landing else 0.45,
        }
        for lane in lanes:
            lane.axvline(milestone.time_s, zorder=1, **line)
        strip.plot([milestone.time_s] * 2, [row + 0.5, rows], clip_on=False, **line)
        words = _event_label(milestone, picture) if wide else str(number)
        strip.annotate(
            words, (milestone.time_s, row + 0.5), annotation_clip=False, va="center",
            xytext=(-3 if label.left else 3 if wide else 0, 0), textcoords="offset points",
            ha="right" if label.left else "left" if wide else "center",
            fontsize=_SMALL if wide else _TINY,
            bbox={"boxstyle": "round,pad=0.12", "fc": palette.PAPER, "ec": "none"},
        )  # fmt: skip


def _event_label(milestone: Milestone, picture: Timeline) -> str:
    if milestone.time_s == 0:
        return picture.zero_words
    return f"{milestone.text}, {wording.seconds(milestone.time_s)}"


def _key_of_events(figure: Figure, picture: Timeline) -> None:
    """On a narrow picture events carry numbers; what they mean stands below."""
    height_in = figure.get_figheight()
    for number, label in enumerate(_placed(picture, wide=False), start=1):
        y = (_NARROW_BOTTOM_IN - 0.5 - 0.155 * number) / height_in
        figure.text(0.06, y, f"{number}  {_event_label(label.milestone, picture)}", fontsize=_TINY)


def _time_axis(lane: Axes, picture: Timeline, *, wide: bool) -> None:
    lane.set_xlim(picture.from_s, picture.to_s)
    span_s = picture.to_s - picture.from_s
    step_s = next(
        s for s in (5, 10, 20, 30, 60, 120, 300, 600, 3600) if span_s / s <= (14 if wide else 9)
    )
    first_s = math.ceil(picture.from_s / step_s) * step_s
    lane.set_xticks(np.arange(first_s, picture.to_s + 0.01, step_s))
    lane.tick_params(axis="x", length=3, labelbottom=True)
    zero = picture.zero_words.removeprefix("fault ")
    lane.set_xlabel(
        f"seconds after the fault was {zero}"
        if zero != "landed"
        else "seconds after the fault landed"
    )


def _legend(figure: Figure, picture: Timeline, *, wide: bool) -> None:
    seen = set(picture.attempts["outcome"])
    handles: list[Line2D | Patch] = [
        Line2D(
            [], [], ls="none", marker=mark.marker, ms=mark.size + 1.5, mew=mark.edge,
            mec=mark.colour, mfc=mark.colour if mark.filled else "none", label=mark.words,
        )
        for outcome, mark in palette.MARKS.items()
        if outcome in seen
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color=palette.MUTED, lw=1, alpha=0.7, label="waiting for an answer")
    )
    if picture.predicted_s:
        level = next(iter(picture.predicted_s.values())).confidence
        handles.append(
            Patch(
                fc=palette.PREDICTED_WASH, ec=palette.PREDICTED, lw=0.6,
                label=f"predicted ({level * 100:g} % interval)",
            )
        )  # fmt: skip
    handles.append(Line2D([], [], color=palette.MEASURED, lw=2.2, label="measured (RTO)"))
    if picture.promised_s:
        latest = wording.limit(max(picture.promised_s.values()), "s")
        handles.append(
            Line2D(
                [],
                [],
                color=palette.PROMISED,
                lw=1.4,
                ls=_PROMISED_DASHES,
                label=f"promised: {latest}",
            )
        )
    figure.legend(
        handles=handles, loc="lower center", ncols=4 if wide else 2, frameon=False,
        handlelength=1.7, columnspacing=1.8 if wide else 1.0, fontsize=_SMALL if wide else _TINY,
        bbox_to_anchor=(0.5, 0.0), labelcolor=palette.INK,
    )  # fmt: skip


@dataclass(frozen=True)
class _Label:
    milestone: Milestone
    row: int
    left: bool


def _label_rows(picture: Timeline, *, wide: bool) -> int:
    return 1 + max((label.row for label in _placed(picture, wide=wide)), default=0)


def _placed(picture: Timeline, *, wide: bool) -> list[_Label]:
    """Each milestone's label in the first row where it meets no other."""
    span_s = picture.to_s - picture.from_s
    rows: list[list[tuple[float, float]]] = []
    placed = []
    for milestone in sorted(picture.milestones, key=lambda m: m.time_s):
        letters = len(_event_label(milestone, picture))
        length_s = span_s * (letters * _LETTER_SHARE + 0.012 if wide else 0.055)
        left = wide and milestone.time_s + length_s > picture.to_s
        start_s = milestone.time_s - (length_s if left else 0.0)
        end_s = start_s + length_s
        row = next(
            (
                k
                for k, taken in enumerate(rows)
                if all(end_s <= a or b <= start_s for a, b in taken)
            ),
            len(rows),
        )
        if row == len(rows):
            rows.append([])
        rows[row].append((start_s, end_s))
        placed.append(_Label(milestone, row, left))
    return placed
