"""A bullet graph: what was measured against what was predicted and promised, on one scale."""

from __future__ import annotations

import math
from html import escape

from evidence import Estimate
from reports import palette, wording

WIDTH, HEIGHT, LEFT, RIGHT = 230, 58, 4, 226
BAR_Y, BAR_HEIGHT = 14, 16


def bullet(
    measured: Estimate | None, predicted: Estimate | None, promised: float, unit: str
) -> str:
    """An ``<svg>`` element: band = predicted interval, dark bar = measured, dashed line = promise.

    A bar that ends in an arrow goes beyond the scale.
    """
    ends = [promised * 1.25]
    ends += [x for e in (measured, predicted) if e for x in (e.upper * 1.08,) if math.isfinite(x)]
    scale = (RIGHT - LEFT) / max(*ends, 1e-9)

    def x(value: float) -> float:
        return LEFT + min(value * scale, RIGHT - LEFT)

    ground = (
        f'<rect x="{LEFT}" y="{BAR_Y}" width="{RIGHT - LEFT}" height="{BAR_HEIGHT}" '
        f'fill="{palette.WASH}"/>'
    )
    parts = [ground]
    if predicted is not None:
        left, right = x(predicted.lower), x(predicted.upper)
        parts.append(
            f'<rect x="{left:.1f}" y="{BAR_Y - 4}" width="{max(right - left, 2):.1f}" '
            f'height="{BAR_HEIGHT + 8}" fill="{palette.PREDICTED_WASH}" '
            f'stroke="{palette.PREDICTED}" stroke-width="0.8"/>'
        )
    if measured is not None:
        parts.append(
            _measured(x(measured.estimate), x(measured.lower), x(measured.upper), measured)
        )
    at = x(promised)
    parts.append(
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{BAR_Y - 9}" y2="{BAR_Y + BAR_HEIGHT + 9}" '
        f'stroke="{palette.PROMISED}" stroke-width="2" stroke-dasharray="4 2.5"/>'
    )
    parts.append(_text(LEFT, "0", "start", palette.MUTED))
    anchor = "middle" if at < RIGHT - 50 else "end"
    parts.append(_text(at, f"promised {wording.limit(promised, unit)}", anchor, palette.PROMISED))
    label = escape(_label(measured, predicted, promised, unit), quote=True)
    return (
        f'<svg class="bullet" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _measured(at: float, lower: float, upper: float, measured: Estimate) -> str:
    middle = BAR_Y + BAR_HEIGHT / 2
    bar = (
        f'<rect x="{LEFT}" y="{middle - 3}" width="{max(at - LEFT, 2):.1f}" height="6" '
        f'fill="{palette.MEASURED}"/>'
    )
    if math.isinf(measured.estimate):
        return bar + (
            f'<path d="M{at - 2:.1f} {middle - 7} l8 7 l-8 7 z" fill="{palette.MEASURED}"/>'
        )
    whisker = (
        f'<line x1="{lower:.1f}" x2="{upper:.1f}" y1="{middle}" y2="{middle}" '
        f'stroke="{palette.MEASURED}" stroke-width="1.6"/>'
    )
    knob = (
        f'<circle cx="{at:.1f}" cy="{middle}" r="5" fill="{palette.MEASURED}" '
        f'stroke="{palette.PAPER}" stroke-width="1.5"/>'
    )
    return bar + whisker + knob


def _text(x: float, words: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{HEIGHT - 4}" font-size="11" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(words)}</text>'
    )


def _label(
    measured: Estimate | None, predicted: Estimate | None, promised: float, unit: str
) -> str:
    parts = [f"promised {wording.limit(promised, unit)}"]
    parts.append(
        "not predicted" if predicted is None else f"predicted {wording.estimate(predicted, unit)}"
    )
    parts.append(
        "not measured" if measured is None else f"measured {wording.estimate(measured, unit)}"
    )
    return ", ".join(parts)
