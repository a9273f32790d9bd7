"""Which input's uncertainty matters, and how much of the spread is chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from architecture.errors import InputError
from architecture.values import Range
from simulator.replications import Replications, Store, Task, Tell, code_version, replicate
from simulator.sensitivity.indices import Indices, saltelli_shares, sobol_indices
from simulator.sensitivity.inputs import uncertain_inputs
from simulator.sensitivity.tasks import AtDraws, AtPoints
from simulator.sensitivity.variance import TotalVariance, total_variance
from simulator.statistics import estimate_document
from simulator.statistics.intervals import FloatArray
from simulator.sweep.targets import Observation

# Quantiles of an input at which screening looks for an effect.
SCREENED = (0.02, 0.98)


@dataclass(frozen=True)
class Plan:
    """How much is computed: ``samples·(inputs + 2)·replications`` and ``draws·replications``.

    Attributes:
        samples: Base samples of the Sobol indices, a power of two.
        replications: At each point, at least two.
        draws: Of all inputs, for the split of the variance.
        screen: Whether inputs without any effect are left out of the Sobol points.
        seed: Same seed, same result.
        cache: Folder of finished replications; None to keep none.
        jobs: Processes on this machine; all cores by default.
        tell: Told how far each part is.
    """

    samples: int = 64
    replications: int = 2
    draws: int = 128
    screen: bool = True
    seed: int = 1
    cache: Path | None = None
    jobs: int | None = None
    tell: Tell | None = None


@dataclass(frozen=True)
class MetricSensitivity:
    """One metric: indices from the largest total to the smallest, and its variance split."""

    metric: str
    indices: tuple[Indices, ...]
    variance: TotalVariance

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "indices": {
                found.name: {
                    "first": estimate_document(found.first),
                    "total": estimate_document(found.total),
                }
                for found in self.indices
            },
            "variance": self.variance.document(),
        }


@dataclass(frozen=True)
class Sensitivity:
    """What came out.

    Attributes:
        inputs: Every uncertain figure the model draws.
        without_effect: Those that moved nothing when moved alone from the typical world.
        metrics: The metrics looked at.
        unobserved: Metrics asked for that some replication did not observe, or saw infinite.
    """

    inputs: Mapping[str, Range]
    without_effect: tuple[str, ...]
    metrics: tuple[MetricSensitivity, ...]
    unobserved: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "inputs": {
                name: figure.model_dump(mode="json") for name, figure in self.inputs.items()
            },
            "without_effect": list(self.without_effect),
            "metrics": {found.metric: found.document() for found in self.metrics},
            "unobserved": list(self.unobserved),
        }


def sensitivity(
    task: Observation, patterns: Sequence[str], *, plan: Plan | None = None,
    identity: Mapping[str, JsonValue] | None = None, confidence: float = 0.95,
) -> Sensitivity:  # fmt: skip
    """Sobol indices of a model's uncertain figures, and its variance split.

    The indices are those of the mean over ``plan.replications`` replications that use the same
    random numbers at every point, so chance does not blur them; how large chance is beside the
    inputs says the variance split, from independent replications.

    Args:
        task: The model.
        patterns: Names of metrics, ``*`` and ``?`` allowed.
        plan: How much is computed.
        identity: What the model's numbers depend on, for the cache.
        confidence: Of the intervals.

    Raises:
        InputError: when the model draws no uncertain figure, or has no such metric.
        ValueError: for a plan that makes no sense.
        ReplicationError, WorkerLostError, StoreError: as :func:`simulator.replications.replicate`.
    """
    how = plan or Plan()
    work = _Work(task, how, dict(identity or {}))
    inputs = uncertain_inputs(task, how.seed)
    if not inputs:
        raise InputError("the model draws no uncertain figure of this design", where="sensitivity")
    names = tuple(inputs)
    metrics = _matching(list(task(how.seed, 0)), patterns)
    moved = work.screened(names, metrics) if how.screen else names
    shares = saltelli_shares(moved, how.samples, how.seed) if moved else np.zeros((0, 0))
    points = work.at_points(moved, shares, how.replications) if moved else None
    draws = work.at_draws(names)
    found, unobserved = [], []
    for metric in metrics:
        nested = np.array(draws.values(metric)).reshape(how.draws, how.replications)
        outputs = _means(points, metric, how.replications)
        if not (np.all(np.isfinite(nested)) and np.all(np.isfinite(outputs))):
            unobserved.append(metric)
            continue
        indices = (
            sobol_indices(moved, outputs, seed=how.seed, confidence=confidence) if moved else ()
        )
        split = total_variance(nested, seed=how.seed, confidence=confidence)
        ranked = sorted(indices, key=lambda index: index.total.estimate, reverse=True)
        found.append(MetricSensitivity(metric, tuple(ranked), split))
    still = tuple(name for name in names if name not in moved)
    return Sensitivity(inputs, still, tuple(found), tuple(unobserved))


@dataclass(frozen=True)
class _Work:
    task: Observation
    plan: Plan
    identity: Mapping[str, JsonValue]

    def screened(self, names: tuple[str, ...], metrics: Sequence[str]) -> tuple[str, ...]:
        """Inputs that move a metric when moved alone, with the same random numbers."""
        shares = np.full((1 + len(SCREENED) * len(names), len(names)), 0.5)
        for column in range(len(names)):
            for side, share in enumerate(SCREENED):
                shares[1 + len(SCREENED) * column + side, column] = share
        made = self.at_points(names, shares, 1)
        base, *rows = [tuple(map(repr, map(row.get, metrics))) for row in made.rows]
        each = len(SCREENED)
        return tuple(
            name
            for number, name in enumerate(names)
            if any(row != base for row in rows[each * number : each * (number + 1)])
        )

    def at_points(
        self, names: tuple[str, ...], shares: FloatArray, replications: int
    ) -> Replications:
        task = AtPoints(self.task, names, shares, replications)
        points = hashlib.sha256(shares.tobytes()).hexdigest()
        what: dict[str, JsonValue] = {"points": points, "names": [*names], "of": replications}
        return self._made(task, len(shares) * replications, what)

    def at_draws(self, names: tuple[str, ...]) -> Replications:
        task = AtDraws(self.task, names, self.plan.replications)
        what: dict[str, JsonValue] = {"names": [*names], "of": self.plan.replications}
        return self._made(task, self.plan.draws * self.plan.replications, what)

    def _made(self, task: Task, number: int, what: Mapping[str, JsonValue]) -> Replications:
        store = None
        if self.plan.cache is not None:
            store = Store(
                self.plan.cache, {**self.identity, "sensitivity": dict(what)},
                seed=self.plan.seed, code=code_version(self.task),
            )  # fmt: skip
        return replicate(
            task, seed=self.plan.seed, replications=number, store=store, jobs=self.plan.jobs,
            tell=self.plan.tell,
        )  # fmt: skip


def _means(points: Replications | None, metric: str, replications: int) -> FloatArray:
    """The metric at each point: its mean over the point's replications."""
    if points is None:
        return np.zeros(0)
    values = np.array(points.values(metric)).reshape(-1, replications)
    return np.asarray(values.mean(axis=1))


def _matching(metrics: Sequence[str], patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(metric, pattern) for metric in metrics):
            raise InputError(
                f"no metric is called '{pattern}'", where="--metric", allowed=", ".join(metrics)
            )
    return [m for m in metrics if any(fnmatchcase(m, pattern) for pattern in patterns)]
