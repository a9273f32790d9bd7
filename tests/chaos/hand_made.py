"""Tables made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from load.attempt import Attempt, Outcome
from load.tables import LEDGER_TYPES, requests_table

LANDED_S = 100.0


def attempt(
    sent_s: float,
    finished_s: float,
    outcome: Outcome = "ok",
    *,
    operation: str = "note",
    request_id: str | None = None,
    intended_s: float | None = None,
) -> Attempt:
    plain = Attempt(
        request_id=request_id or f"{operation} {sent_s}", user=0, journey="ward-round",
        operation="note", attempt=1, intended_s=sent_s if intended_s is None else intended_s,
        sent_s=sent_s, first_byte_s=math.nan, finished_s=finished_s, outcome=outcome, status=0,
        site="", mode="", tokens=0, error="",
    )  # fmt: skip
    return replace(plain, operation=operation)  # type: ignore[arg-type]


def table(*attempts: Attempt) -> pd.DataFrame:
    return requests_table(attempts)


def steady(first_s: float, last_s: float, outcome: Outcome = "ok") -> list[Attempt]:
    """A note each second, answered (or not) after 0.125 s."""
    count = int(last_s - first_s) + 1
    return [attempt(first_s + i, first_s + i + 0.125, outcome) for i in range(count)]


def ledger(rows: Sequence[tuple[str, float, bool | None]]) -> pd.DataFrame:
    """Rows of (outcome, acknowledged_s, found)."""
    return pd.DataFrame(
        [
            {
                "client_id": str(number), "writer": 0, "sequence": number + 1, "intended_s": 0.0,
                "sent_s": 0.0, "acknowledged_s": acknowledged_s, "outcome": outcome,
                "found": pd.NA if found is None else found,
            }
            for number, (outcome, acknowledged_s, found) in enumerate(rows)
        ],
        columns=list(LEDGER_TYPES),
    ).astype(LEDGER_TYPES)  # fmt: skip
