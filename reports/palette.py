"""Colours and marks. Those of outcomes are from Okabe & Ito's set for colour-blind readers (Color
Universal Design, 2008); every outcome and verdict also differs in shape, so that none rests on
colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from evidence import Outcome

INK = "#1b2733"
MUTED = "#5b6b7a"
FAINT = "#d5dce3"
PAPER = "#ffffff"
WASH = "#f4f6f8"
PREDICTED = "#6f5b9a"
PREDICTED_WASH = "#e9e4f2"
MEASURED = "#12344d"
PROMISED = "#9a2a4a"

VERDICT_COLOURS: dict[Outcome, str] = {
    "held": "#00694d",
    "refuted": "#a8320a",
    "inconclusive": "#54606c",
}
VERDICT_MARKS: dict[Outcome, str] = {"held": "✓", "refuted": "✕", "inconclusive": "?"}
VERDICT_WORDS: dict[Outcome, str] = {
    "held": "Held",
    "refuted": "Refuted",
    "inconclusive": "Inconclusive",
}


@dataclass(frozen=True)
class Mark:
    """How attempts of one outcome are drawn; marker, size and edge width in matplotlib's terms."""

    colour: str
    marker: str
    size: float
    edge: float
    filled: bool
    words: str


MARKS = {
    "ok": Mark("#0072b2", "o", 2.4, 0.0, filled=True, words="answered"),
    "refused": Mark("#e69f00", "|", 4.2, 1.0, filled=True, words="refused"),
    "unknown": Mark("#d55e00", "x", 4.2, 1.1, filled=True, words="no certain answer"),
    "failed": Mark("#1b2733", "o", 3.6, 0.8, filled=False, words="could not be sent"),
}
"""Outcome of an attempt: its mark."""
