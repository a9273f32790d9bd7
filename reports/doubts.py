"""The chapter on the doubts: findings as their run recorded them, one entry a doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from architecture.requirements import all_requirements
from evidence import Estimate, Outcome, Run
from evidence.record import RecordError
from reports import wording

KIND: Final = "findings"

#: What a verdict on a doubt means to a reader.
WORDS: Final[dict[Outcome, str]] = {
    "held": "well founded",
    "refuted": "unfounded",
    "inconclusive": "open",
}


@dataclass(frozen=True)
class Row:
    """One figure in words; ``interval`` is empty where the figure is exact."""

    what: str
    figure: str
    interval: str
    n: int
    source: str


@dataclass(frozen=True)
class Mending:
    """The cheapest change, what it costs, and the same figures with it."""

    what: str
    changes: str
    cost: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Doubt:
    """One doubt and what was found; ``text`` is the doubt's own."""

    id: str
    text: str
    claim: str
    verdict: Outcome
    reason: str
    method: str
    how: str
    rows: tuple[Row, ...]
    mend: Mending | None
    experiment: str
    run: str

    @property
    def word(self) -> str:
        """The verdict as this chapter says it."""
        return WORDS[self.verdict]


def doubts_of(runs: Sequence[Run]) -> tuple[Doubt, ...]:
    """The newest finding on each doubt that the runs hold, by id.

    Raises:
        RecordError: when a record of kind ``findings`` is not one.
    """
    texts = {row.id: row.text for row in all_requirements() if row.kind == "doubt"}
    newest: dict[str, Doubt] = {}
    for run in sorted(runs, key=lambda run: run.record.started):
        if run.record.kind != KIND:
            continue
        try:
            entries: Any = run.record.outcome["findings"]
            for entry in entries:
                newest[entry["id"]] = _doubt(entry, texts.get(entry["id"], ""), run.name)
        except (KeyError, TypeError, ValidationError) as error:
            raise RecordError(f"{run.path}: outcome.findings: {error}") from error
    return tuple(newest[key] for key in sorted(newest))


def _doubt(entry: dict[str, Any], text: str, run: str) -> Doubt:
    mend = entry.get("mend")
    return Doubt(
        id=entry["id"], text=text, claim=entry["claim"], verdict=entry["verdict"],
        reason=entry["reason"], method=entry["method"], how=entry["how"],
        rows=_rows(entry["evidence"]), mend=None if mend is None else _mending(mend),
        experiment=entry.get("experiment", ""), run=run,
    )  # fmt: skip


def _mending(mend: dict[str, Any]) -> Mending:
    cost = mend.get("cost_brl")
    price = "nothing to buy"
    if cost is not None:
        low, typical, high = (wording.count(cost[key]) for key in ("low", "typical", "high"))
        price = f"R$ {typical} ({low} to {high}; {cost['source']})"
    return Mending(
        what=mend["what"], changes=", ".join(mend["changes"]), cost=price,
        rows=_rows(mend["evidence"]),
    )  # fmt: skip


def _rows(figures: Sequence[dict[str, Any]]) -> tuple[Row, ...]:
    return tuple(_row(figure) for figure in figures)


def _row(figure: dict[str, Any]) -> Row:
    value = Estimate.model_validate(figure["value"])
    unit = figure["unit"]
    point = value.lower == value.upper
    spread = f"{_number(value.lower, unit)} to {_number(value.upper, unit)}"
    return Row(
        what=figure["what"], figure=_number(value.estimate, unit), interval="" if point else spread,
        n=value.n, source=figure["source"],
    )  # fmt: skip


def _number(value: float, unit: str) -> str:
    """Unlike a verdict's, these figures are of many kinds: shares, counts, hours, bytes."""
    if math.isinf(value):
        return "without end"
    if unit == "s":
        return wording.seconds(value)
    shown = wording.count(value) if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004
    return f"{shown}{wording.NBSP}{unit}" if unit else shown
