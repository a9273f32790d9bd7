"""Figures in words: one way of writing seconds, counts, shares and intervals everywhere."""

from __future__ import annotations

import math

from architecture.objectives import Metric
from evidence import Estimate

OPERATIONS = {
    "read": "Looking up a patient",
    "write": "Writing a note",
    "chat": "Asking the chat",
    "lookup": "Looking up a patient",
    "note": "Writing a note",
    "login": "Logging in",
}
"""Operation or request name of the records: how a reader would say it."""

OUTCOMES = {
    "ok": "answered",
    "refused": "refused",
    "unknown": "no certain answer",
    "failed": "could not be sent",
}
"""Outcome of an attempt as recorded: in words."""

ABLE_AGAIN = {
    "read": "patients can be looked up again",
    "write": "notes can be written again",
    "chat": "the chat answers again",
}
"""Operation: what returns with it."""

LOSSES = {
    "primary-power-loss": "the primary's loss of power",
    "primary-crash": "the primary's crash",
    "primary-hang": "the primary's standstill",
    "primary-partition": "the primary's isolation",
    "switchover": "a planned switchover",
    "standby-power-loss": "the standby's loss of power",
    "both-power-loss": "both nodes' loss of power",
    "site-loss": "the loss of the hospital's site",
}
"""Fault of the records: as a noun that follows "after"."""

UNITS: dict[Metric, str] = {
    "rto_s": "s",
    "rpo_s": "s",
    "lost_writes": "notes",
    "latency_s": "s",
    "time_to_first_token_s": "s",
    "replication_lag_s": "s",
    "availability": "of the time",
}
"""Unit of each metric, as verdicts carry it."""

NBSP = "\u00a0"
"""Between a figure and its unit, so that no line breaks there."""

SHARE = "of the time"
NEARLY_ALL = 0.99
MILLISECONDS_BELOW_S = 1.0


def seconds(value: float) -> str:
    """``22.4 ms``, ``17.8 s``, ``never``: three significant figures."""
    if math.isinf(value):
        return "never"
    if value == 0:
        return f"0{NBSP}s"
    if abs(value) < MILLISECONDS_BELOW_S:
        return f"{significant(value * 1000)}{NBSP}ms"
    return f"{significant(value)}{NBSP}s"


def significant(value: float) -> str:
    """Three significant figures, without an exponent; whole numbers from 100 on."""
    return count(value) if abs(value) >= 100 else f"{value:#.3g}"  # noqa: PLR2004


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def share(value: float) -> str:
    """A share as per cent: four figures, near 100 % so many that two of the rest to it are seen."""
    percent = value * 100
    if not NEARLY_ALL < value < 1:
        return f"{percent:.4g}{NBSP}%"
    decimals = 1 - math.floor(math.log10(100 - percent))
    return f"{round(percent, decimals):.12g}{NBSP}%"


def figure(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "s":
        return seconds(value)
    if unit == SHARE:
        return share(value)
    return "unbounded" if math.isinf(value) else f"{count(value)}{NBSP}{unit}".rstrip()


def interval(estimate: Estimate, unit: str) -> str:
    """Only the interval: ``10.9 to 22.1 s``; one figure when both ends are written alike."""
    lower, upper = figure(estimate.lower, unit), figure(estimate.upper, unit)
    if lower == upper:
        return lower
    if estimate.lower == 0 or lower.rpartition(NBSP)[2] == upper.rpartition(NBSP)[2]:
        lower = lower.rpartition(NBSP)[0]
    return f"{lower}{NBSP}to{NBSP}{upper}"


def estimate(value: Estimate, unit: str) -> str:
    """The figure with its interval in brackets; alone when the interval is a point."""
    point = figure(value.estimate, unit)
    spread = interval(value, unit)
    return point if spread == point else f"{point} ({spread})"


def target(bound: str, unit: str) -> str:
    """The objective's bound in its unit: ``≤ 30 s``, ``≥ 99.9 %``, ``0 notes``."""
    sign, _, number = bound.partition(" ")
    value = float(number)
    if value == 0:
        return figure(0, unit)
    return f"{sign}{NBSP}{limit(value, unit)}"


def limit(value: float, unit: str) -> str:
    """A bound as its author would write it: ``30 s``, ``100 ms``, ``2 h``."""
    if unit == "s":
        for size_s, name in ((3600, "h"), (60, "min")):
            if value > size_s and value % size_s == 0:
                return f"{value / size_s:g}{NBSP}{name}"
        return f"{value:g}{NBSP}s" if value >= MILLISECONDS_BELOW_S else f"{value * 1000:g}{NBSP}ms"
    return figure(value, unit)


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """``1 trial``, ``3 trials``."""
    return f"{count(number)} {noun if number == 1 else plural_noun or noun + 's'}"


def capital(words: str) -> str:
    """The words with a capital at the beginning, and no other change."""
    return words[:1].upper() + words[1:]
