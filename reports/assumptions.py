"""What a predicted uptime rests on: the design's uncertain figures, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reports import wording
from reports.capacity import Line

WEAK_SOURCES: Final = ("engineering estimate", "no solid source")


def failure_line(mode: Mapping[str, Any]) -> Line:
    """A failure mode: time between failures and time to repair, each with its source."""
    between, repair = mode["mean_time_between_failures_h"], mode["mean_time_to_repair_h"]
    return Line(
        wording.capital(mode["title"]),
        (
            _range({key: _hours(between[key]) for key in ("low", "typical", "high")}),
            between["source"],
            _range({key: _hours(repair[key]) for key in ("low", "typical", "high")}),
            repair["source"],
        ),
    )


def figure_line(key: tuple[str, ...], entry: Mapping[str, Any]) -> Line:
    """Another range, named by its place in the design."""
    shown = {part: f"{entry[part]:g}" for part in ("low", "typical", "high")}
    return Line(
        " › ".join(part.replace("_", " ") for part in key), (_range(shown), entry["source"])
    )


def ranges_of(design: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every range that the model may draw from, by its place in the design."""
    for section in ("failures", "redundancy", "power", "releases", "pauses", "drills"):
        yield from _within((section,), design.get(section))


def _within(
    place: tuple[str, ...], value: Any
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not isinstance(value, dict):
        return
    if {"low", "typical", "high", "source"} <= set(value):
        yield place, value
        return
    for key, part in value.items():
        yield from _within((*place, key), part)


def sources_in_words(sources: Sequence[str]) -> str:
    """How many of the figures nobody has counted."""
    weak = sum(any(word in source for word in WEAK_SOURCES) for source in sources)
    return (
        f"{weak} of the {len(sources)} uncertain figures are engineering estimates or have no "
        "solid source; each is a range, and the intervals hold what the ranges leave open."
    )


def _range(shown: Mapping[str, str]) -> str:
    if shown["low"] == shown["high"]:
        return shown["typical"]
    return f"{shown['typical']} ({shown['low']} to {shown['high']})"


def _hours(hours: float) -> str:
    for size_h, unit in ((8760.0, "years"), (24.0, "days"), (1.0, "h"), (1 / 60, "min")):
        if hours >= 1.5 * size_h:
            return f"{hours / size_h:.3g}{wording.NBSP}{unit}"
    return f"{hours * 3600:.3g}{wording.NBSP}s"
