"""Replication lag while clients are at work: the ``replication_lag`` table.

Columns: ``time_s`` (CLOCK_MONOTONIC), ``standby`` (its name in the cluster), ``synchronous``
(whether commits wait for it), ``lag_s`` (flush lag as
:mod:`reference_stack.database.lag` defines it; infinite for a hospital standby that is not
connected). A row for each standby and second; no rows while no primary answers.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Final, Self

import pandas as pd
import psycopg

from reference_stack.database.lag import standby_lags
from reference_stack.handle import StackHandle

EVERY_S: Final = 1.0
LAG_TYPES: Final = {
    "time_s": "float64", "standby": "str", "synchronous": "bool", "lag_s": "float64",
}  # fmt: skip


@dataclass(frozen=True)
class LagSample:
    """One row of the table."""

    time_s: float
    standby: str
    synchronous: bool
    lag_s: float


def lag_table(samples: Collection[LagSample]) -> pd.DataFrame:
    """The ``replication_lag`` table."""
    rows = [asdict(sample) for sample in samples]
    return pd.DataFrame(rows, columns=list(LAG_TYPES)).astype(LAG_TYPES)


class LagSampler:
    """Asks the primary once a second, in the background, while its block runs."""

    def __init__(self, handle: StackHandle) -> None:
        self._dsn = handle.database_dsn()
        self._pair = handle.hospital_sites
        self._samples: list[LagSample] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def samples(self) -> list[LagSample]:
        """What was sampled so far."""
        return list(self._samples)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(psycopg.Error):
                self._follow_primary()
            self._done.wait(EVERY_S)

    def _follow_primary(self) -> None:
        with psycopg.connect(
            self._dsn, autocommit=True, options="-c statement_timeout=2000", tcp_user_timeout=3000
        ) as connection:
            while not self._done.wait(EVERY_S):
                self._samples.extend(self._look(connection))

    def _look(self, connection: psycopg.Connection) -> Iterator[LagSample]:
        lags = {lag.name: lag for lag in standby_lags(connection)}
        now_s = time.monotonic()
        for name, lag in lags.items():
            yield LagSample(now_s, name, lag.sync_state in {"sync", "quorum"}, lag.flush_s)
        if not lags.keys() & set(self._pair):
            yield LagSample(now_s, standby="", synchronous=True, lag_s=math.inf)
