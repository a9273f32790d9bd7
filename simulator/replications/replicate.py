"""Replications of one task or of many, a given number or until they are precise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence import Estimate
from simulator.replications.engine import Request, compute
from simulator.replications.progress import Tell
from simulator.replications.store import Store
from simulator.replications.task import Metrics, Task, UnknownMetricError
from simulator.statistics import Precision, across

if TYPE_CHECKING:
    import pandas as pd  # imported where it is used: every worker process imports this module


@dataclass(frozen=True)
class Replications:
    """Replications 0, 1, 2 … of one task.

    Attributes:
        seed: Of all of them.
        rows: The metrics of each.
        precise: Whether the precision asked for was reached; True when none was asked for.
    """

    seed: int
    rows: tuple[Metrics, ...]
    precise: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics, in the tasks' order."""
        return tuple(dict.fromkeys(metric for row in self.rows for metric in row))

    def values(self, metric: str) -> list[float]:
        """One metric by replication; NaN where a replication does not have it.

        Raises:
            UnknownMetricError: when no replication has it.
        """
        if not any(metric in row for row in self.rows):
            raise UnknownMetricError(metric, self.metrics)
        return [row.get(metric, math.nan) for row in self.rows]

    def estimates(self, confidence: float = 0.95) -> dict[str, Estimate]:
        """Mean of each metric with its t-interval; metrics that fewer than two saw are left out."""
        found = {metric: across(self.values(metric), confidence) for metric in self.metrics}
        return {metric: estimate for metric, estimate in found.items() if estimate is not None}

    def table(self) -> pd.DataFrame:
        """One row a replication: its number and a column a metric."""
        import pandas as pd  # noqa: PLC0415

        frame = pd.DataFrame(list(self.rows), columns=list(self.metrics), dtype=float)
        frame.insert(0, "replication", range(len(self.rows)))
        return frame


def replicate(
    task: Task, *, seed: int, replications: int | Precision, store: Store | None = None,
    jobs: int | None = None, tell: Tell | None = None,
) -> Replications:  # fmt: skip
    """Replicate one task; see :func:`replicate_all`."""
    [result] = replicate_all(
        [task], seed=seed, replications=replications, stores=[store], jobs=jobs, tell=tell
    )
    return result


def replicate_all(
    tasks: Sequence[Task], *, seed: int, replications: int | Precision,
    stores: Sequence[Store | None] | None = None, jobs: int | None = None,
    tell: Tell | None = None,
) -> list[Replications]:  # fmt: skip
    """Replicate tasks with common random numbers: replication n of each has the same seed.

    Args:
        tasks: What is replicated.
        seed: Same seed, same bytes, whatever ``jobs`` and the backend are.
        replications: How many of each, or until the metrics named are precise; each task stops by
            itself.
        stores: Where each task's finished replications are kept.
        jobs: Processes on this machine; all cores by default.
        tell: Told how many replications are finished and how many are known to be needed.

    Raises:
        UnknownMetricError: when a metric that should become precise is in no replication.
        ValueError: for fewer than one replication.
        ReplicationError, WorkerLostError, StoreError: as
            :func:`simulator.replications.engine.compute`.
    """
    kept = tuple(stores) if stores is not None else (None,) * len(tasks)
    work = _Work(tuple(tasks), seed, kept, jobs, tell)
    if isinstance(replications, Precision):
        return work.until(replications)
    if replications < 1:
        raise ValueError(f"at least one replication is required, got {replications}")
    rows = work.up_to([replications] * len(tasks), [()] * len(tasks))
    return [Replications(seed, made) for made in rows]


@dataclass(frozen=True)
class _Work:
    tasks: tuple[Task, ...]
    seed: int
    stores: tuple[Store | None, ...]
    jobs: int | None
    tell: Tell | None

    def until(self, precision: Precision) -> list[Replications]:
        totals = [precision.at_least] * len(self.tasks)
        rows: list[tuple[Metrics, ...]] = [()] * len(self.tasks)
        while any(len(made) < total for made, total in zip(rows, totals, strict=True)):
            rows = self.up_to(totals, rows)
            totals = [
                precision.next_total(self._watched(made, precision)) or len(made) for made in rows
            ]
        return [
            Replications(
                self.seed,
                made,
                precise=all(map(precision.met_by, self._watched(made, precision))),
            )
            for made in rows
        ]

    def up_to(
        self, totals: Sequence[int], before: Sequence[tuple[Metrics, ...]]
    ) -> list[tuple[Metrics, ...]]:
        """All rows up to each task's total, those from ``before`` included."""
        requests = [
            Request(task, self.seed, range(len(made), total), store)
            for task, total, store, made in zip(
                self.tasks, totals, self.stores, before, strict=True
            )
        ]
        done = sum(map(len, before))

        def tell_all(finished: int, total: int) -> None:
            if self.tell is not None:
                self.tell(done + finished, done + total)

        computed = compute(requests, jobs=self.jobs, tell=tell_all)
        return [(*made, *new.values()) for made, new in zip(before, computed, strict=True)]

    def _watched(self, made: tuple[Metrics, ...], precision: Precision) -> list[list[float]]:
        results = Replications(self.seed, made)
        return [results.values(metric) for metric in precision.metrics]
