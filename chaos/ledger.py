"""Reading the notes back: which of those that clients wrote does the database hold?"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import psycopg

from evidence.verdict import NoVerdictError

_BATCH: Final = 5000
_RETRY_S: Final = 0.5
_SELECT = "SELECT client_id::text FROM note WHERE client_id = ANY(%s::uuid[])"


class LedgerUnreadError(NoVerdictError):
    """The database did not answer: what was lost is not known."""


def read_back(dsn: str, client_ids: Sequence[str], deadline_s: float = 60.0) -> set[str]:
    """Those of ``client_ids`` that the database holds.

    Args:
        dsn: libpq URL of the primary.
        client_ids: Ids of the notes.
        deadline_s: How long to try when the database is away.

    Raises:
        LedgerUnreadError: when it stayed away.
    """
    end = time.monotonic() + deadline_s
    while True:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                return {
                    str(row[0])
                    for first in range(0, len(client_ids), _BATCH)
                    for row in connection.execute(
                        _SELECT, (list(client_ids[first : first + _BATCH]),)
                    )
                }
        except psycopg.Error as error:
            if time.monotonic() > end:
                raise LedgerUnreadError(f"the notes could not be read back: {error}") from error
            time.sleep(_RETRY_S)


def keep_snapshot(path: Path, found: Collection[str]) -> None:
    """Keep what was found at recovery, before a way back could bring anything in again."""
    path.write_text(json.dumps(sorted(found)), encoding="utf-8")


def with_snapshot(ledger: pd.DataFrame, path: Path, landed_s: float) -> tuple[pd.DataFrame, int]:
    """The ledger in which notes acknowledged before the fault count as found only if they were so
    at recovery; and how many of them the way back brought in again.

    What is lost for clients is what was missing when they were served again.
    """
    if not path.exists():
        return ledger, 0
    at_recovery = ledger["client_id"].isin(json.loads(path.read_text(encoding="utf-8")))
    before = (ledger["outcome"] == "acknowledged") & (ledger["acknowledged_s"] < landed_s)
    brought_back = before & ~at_recovery & ledger["found"].fillna(value=False)
    return ledger.assign(found=ledger["found"] & ~brought_back), int(brought_back.sum())


def mark_found(ledger: pd.DataFrame, found: set[str]) -> pd.DataFrame:
    """The ledger with ``found`` filled in."""
    return ledger.assign(found=ledger["client_id"].isin(found).astype("boolean"))
