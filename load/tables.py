"""From attempts to the ``requests`` and ``ledger`` tables, and the log they are read from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Final

import pandas as pd

from load.attempt import Attempt

REQUEST_COLUMNS: Final = tuple(field.name for field in fields(Attempt))
_TYPES: Final = {"str": "str", "int": "int64", "float": "float64"}
_REQUEST_TYPES: Final = {
    field.name: _TYPES.get(str(field.type), "str") for field in fields(Attempt)
}
LEDGER_TYPES: Final = {
    "client_id": "str", "writer": "int64", "sequence": "int64", "intended_s": "float64",
    "sent_s": "float64", "acknowledged_s": "float64", "outcome": "str", "found": "boolean",
}  # fmt: skip


def requests_table(attempts: Iterable[Attempt]) -> pd.DataFrame:
    """The ``requests`` table, in the order in which the attempts ended."""
    rows = [asdict(attempt) for attempt in attempts]
    return pd.DataFrame(rows, columns=list(REQUEST_COLUMNS)).astype(_REQUEST_TYPES)


def ledger_table(requests: pd.DataFrame) -> pd.DataFrame:
    """The ``ledger`` table: one row a note, whatever the number of its attempts.

    A note's ``request_id`` is its client id. It is acknowledged if any attempt was, unknown if no
    attempt was acknowledged and one may have been carried out, refused otherwise (also when no
    attempt ever reached the system). ``found`` is missing until the notes are read back.
    """
    rows = []
    numbers: dict[int, int] = {}
    notes = requests[requests["operation"] == "note"]
    groups = [group for _, group in notes.groupby("request_id", sort=False)]
    for group in sorted(groups, key=lambda group: float(group["intended_s"].iloc[0])):
        writer = int(group["user"].iloc[0])
        numbers[writer] = numbers.get(writer, 0) + 1
        outcomes = set(group["outcome"])
        acknowledged = group.loc[group["outcome"] == "ok", "finished_s"]
        outcome = "refused"
        if "ok" in outcomes:
            outcome = "acknowledged"
        elif "unknown" in outcomes:
            outcome = "unknown"
        rows.append(
            {
                "client_id": group["request_id"].iloc[0],
                "writer": writer,
                "sequence": numbers[writer],
                "intended_s": group["intended_s"].iloc[0],
                "sent_s": group["sent_s"].min(),
                "acknowledged_s": acknowledged.min() if len(acknowledged) else math.nan,
                "outcome": outcome,
                "found": pd.NA,
            }
        )
    return pd.DataFrame(rows, columns=list(LEDGER_TYPES)).astype(LEDGER_TYPES)


class RequestLog:
    """Follows ``requests.jsonl`` while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new_attempts(self) -> Iterator[Attempt]:
        """Attempts that ended since the last call; half a line is left for the next."""
        try:
            log: IO[bytes] = self._path.open("rb")
        except FileNotFoundError:
            return
        with log:
            log.seek(self._position)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._position += len(line)
                yield Attempt(**json.loads(line))


def write_tables(log: Path, folder: Path) -> None:
    """Write ``requests.parquet`` and ``ledger.parquet``, each whole or not at all."""
    requests = requests_table(RequestLog(log).new_attempts())
    for name, table in (("requests", requests), ("ledger", ledger_table(requests))):
        partial = folder / f".{name}.parquet"
        table.to_parquet(partial, index=False)
        partial.replace(folder / f"{name}.parquet")
