"""How much of an output's variance is chance, and how much is ignorance of the inputs.

The law of total variance: Var Y = E[Var(Y | X)] + Var(E[Y | X]). For each of k draws of the inputs
X, m replications with independent randomness give both terms (one-way analysis of variance with
random effects; Searle, Casella & McCulloch, Variance Components, 1992, 3.4). More replications
drive out the first term; only better figures the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.statistics import estimate_document
from simulator.statistics.intervals import FloatArray

RESAMPLES = 2000
BATCH = 200
LEAST = 2


@dataclass(frozen=True)
class TotalVariance:
    """The two parts of a single replication's variance, in the output's unit squared.

    Attributes:
        mean: Of the output over inputs and chance.
        sampling: E[Var(Y | X)], what chance does.
        inputs: Var(E[Y | X]), what not knowing the inputs does.
        input_share: ``inputs`` as a share of both; 0 when the output never varies.

    ``n`` of the estimates counts draws of the inputs; the intervals are bootstrapped over them,
    those of the mean Student's.
    """

    mean: Estimate
    sampling: Estimate
    inputs: Estimate
    input_share: Estimate

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            name: estimate_document(getattr(self, name))
            for name in ("mean", "sampling", "inputs", "input_share")
        }


def total_variance(
    outputs: FloatArray, *, seed: int, confidence: float = 0.95
) -> TotalVariance:  # fmt: skip
    """Split the variance of ``outputs``.

    Args:
        outputs: Shape (draws of the inputs, replications of each), independent of each other.
        seed: Of the bootstrap.
        confidence: Of the intervals.

    Raises:
        ValueError: for fewer than two draws or replications, or values that are not finite.
    """
    if outputs.ndim != 2 or min(outputs.shape) < LEAST or not np.all(np.isfinite(outputs)):  # noqa: PLR2004
        raise ValueError(
            f"finite outputs of at least two draws and two replications are needed, "
            f"got shape {outputs.shape}"
        )
    draws, replications = outputs.shape
    means, variances = outputs.mean(axis=1), outputs.var(axis=1, ddof=1)
    random = np.random.default_rng(seed)
    resampled = []
    for _ in range(RESAMPLES // BATCH):
        chosen = random.integers(0, draws, (BATCH, draws))
        resampled.append(_parts(means[chosen], variances[chosen], replications))
    bootstrap = np.concatenate(resampled, axis=1)
    found = _parts(means[None], variances[None], replications)[:, 0]
    tail = (1 - confidence) / 2
    bounds = np.quantile(bootstrap, [tail, 1 - tail], axis=1)
    sampling, inputs, share = (
        Estimate(
            estimate=float(value),
            lower=float(min(low, value)),
            upper=float(max(high, value)),
            confidence=confidence,
            n=draws,
        )
        for value, low, high in zip(found, *bounds, strict=True)
    )
    return TotalVariance(mean_interval(means, confidence), sampling, inputs, share)


def _parts(means: FloatArray, variances: FloatArray, replications: int) -> FloatArray:
    """Sampling and input variance and the inputs' share, for each row of draws.

    The means' variance holds a sampling part of variance / replications, which is taken off; where
    chance makes the rest negative, it is 0.
    """
    sampling = variances.mean(axis=1)
    inputs = np.maximum(means.var(axis=1, ddof=1) - sampling / replications, 0.0)
    total = sampling + inputs
    share = np.divide(inputs, total, out=np.zeros_like(total), where=total > 0)
    return np.stack([sampling, inputs, share])
