"""Replicating a target over designs, with common random numbers across them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architecture.design import Design
from architecture.loading import design_hash
from simulator.replications import Replications, Store, Tell, code_version, replicate_all
from simulator.statistics import PairedDifference, Precision, estimate_document, paired
from simulator.sweep.points import Point, Settings
from simulator.sweep.targets import Target

if TYPE_CHECKING:
    import pandas as pd  # imported where it is used: every worker process imports this module


@dataclass(frozen=True)
class Work:
    """How replications are made; the numbers depend on ``seed`` and ``replications`` only.

    Attributes:
        seed: Same seed, same chance at every point.
        replications: Of each point, or until metrics are precise.
        cache: Folder of finished replications; None to keep none.
        jobs: Processes on this machine; all cores by default.
        tell: Told how far it is.
    """

    seed: int = 1
    replications: int | Precision = 10
    cache: Path | None = None
    jobs: int | None = None
    tell: Tell | None = None


@dataclass(frozen=True)
class PointResult:
    """One point: its settings, the design's hash, and its replications."""

    settings: Settings
    design_hash: str
    replications: Replications


@dataclass(frozen=True)
class SweepResult:
    """All points of a sweep, in order; all have the same keys."""

    target: str
    points: tuple[PointResult, ...]
    confidence: float = 0.95

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""
        return tuple(dict.fromkeys(key for point in self.points for key in point.settings))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that any point has."""
        return tuple(dict.fromkeys(m for point in self.points for m in point.replications.metrics))

    def difference(self, first: int, second: int, metric: str) -> PairedDifference | None:
        """How much more the point number ``second`` has of ``metric`` than ``first``.

        Raises:
            UnknownMetricError: when a point has no such metric.
        """
        one, two = (self.points[number].replications.values(metric) for number in (first, second))
        pairs = min(len(one), len(two))
        return paired(one[:pairs], two[:pairs], self.confidence)

    def table(self) -> pd.DataFrame:
        """Tidy: a row a point and metric.

        Columns: ``point``, one a varied key, ``metric``, ``estimate``, ``lower``, ``upper``,
        ``confidence``, ``n`` (replications) and ``precise``.
        """
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(
            {
                "point": number,
                **self._cells(point.settings),
                "metric": metric,
                **estimate.model_dump(),
                "precise": point.replications.precise,
            }
            for number, point in enumerate(self.points)
            for metric, estimate in point.replications.estimates(self.confidence).items()
        )

    def replication_table(self) -> pd.DataFrame:
        """A row a point and replication; a column a metric."""
        import pandas as pd  # noqa: PLC0415

        frames = []
        for number, point in enumerate(self.points):
            frame = point.replications.table()
            frame.insert(0, "point", number)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def document(self) -> dict[str, Any]:
        """``target``, ``keys`` and ``points`` (settings, replications, metrics) as JSON."""
        return {
            "target": self.target,
            "keys": list(self.keys),
            "points": [
                {
                    "settings": dict(point.settings),
                    "replications": len(point.replications.rows),
                    "precise": point.replications.precise,
                    "metrics": {
                        metric: estimate_document(estimate)
                        for metric, estimate in point.replications.estimates(
                            self.confidence
                        ).items()
                    },
                }
                for point in self.points
            ],
        }

    def _cells(self, settings: Settings) -> dict[str, Any]:
        """Values of one type a column, as Parquet wants them: numbers, else words."""
        return {
            key: settings[key] if self._numeric(key) else str(settings[key]) for key in self.keys
        }

    def _numeric(self, key: str) -> bool:
        types = {type(point.settings[key]) for point in self.points}
        return types <= {int, float} or types == {bool}


def sweep(points: Sequence[Point], target: Target, work: Work | None = None) -> SweepResult:
    """Ask ``target`` of every point's design.

    Raises:
        InputError: when a design cannot be asked this; nothing has been computed then.
        UnknownMetricError: when a metric that should become precise does not exist.
        ReplicationError, WorkerLostError, StoreError: as
            :func:`simulator.replications.replicate_all`.
    """
    results = replicate_designs([point.design for point in points], target, work or Work())
    return SweepResult(
        target.name,
        tuple(
            PointResult(point.settings, design_hash(point.design), made)
            for point, made in zip(points, results, strict=True)
        ),
    )


def replicate_designs(designs: Sequence[Design], target: Target, work: Work) -> list[Replications]:
    """Replications of ``target`` for each design; raises as :func:`sweep`."""
    return replicate_all(
        [target.task(design) for design in designs],
        seed=work.seed,
        replications=work.replications,
        stores=[_store(target, design, work) for design in designs],
        jobs=work.jobs,
        tell=work.tell,
    )


def _store(target: Target, design: Design, work: Work) -> Store | None:
    if work.cache is None:
        return None
    return Store(
        work.cache,
        {"target": target.name, "design": design_hash(design), **target.identity(design)},
        seed=work.seed,
        code=code_version(getattr(target, "function", target)),
    )
