"""Sobol indices: which input's uncertainty makes an output uncertain.

First order: the share of the output's variance that would go, on average, if the input were known.
Total: the share that would stay if all others were known, interactions included (Sobol 1993;
Saltelli et al. 2010). SALib samples and estimates; the intervals are its bootstrap's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evidence import Estimate
from simulator.statistics.intervals import FloatArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Indices:
    """Of one input. ``n`` of the estimates counts base samples."""

    name: str
    first: Estimate
    total: Estimate


def saltelli_shares(names: Sequence[str], samples: int, seed: int) -> FloatArray:
    """Points at which to compute the output: shares in (0, 1), a row a point, a column an input.

    ``samples · (inputs + 2)`` rows, in the order :func:`sobol_indices` wants their outputs.

    Raises:
        ValueError: when ``samples`` is no power of two: the sequence would lose its balance.
    """
    from SALib.sample import sobol  # type: ignore[import-untyped]  # noqa: PLC0415

    if samples < 2 or samples & (samples - 1):  # noqa: PLR2004
        raise ValueError(f"samples must be a power of two, got {samples}")
    drawn = sobol.sample(_problem(names), samples, calc_second_order=False, seed=seed)
    return np.asarray(drawn, dtype=float)


def sobol_indices(
    names: Sequence[str], outputs: FloatArray, *, seed: int, confidence: float = 0.95
) -> tuple[Indices, ...]:
    """Indices of every input from the outputs at :func:`saltelli_shares`, in the inputs' order.

    An output that never varies has indices of 0. Estimates scatter: small indices may come out a
    little below 0 or, when few samples meet a strongly curved output, above 1.

    Raises:
        ValueError: when an output is not finite, or their number does not fit.
    """
    from SALib.analyze import sobol  # type: ignore[import-untyped]  # noqa: PLC0415

    samples, rest = divmod(len(outputs), len(names) + 2)
    if rest or not np.all(np.isfinite(outputs)):
        raise ValueError("a finite output at every point is required")
    if np.ptp(outputs) == 0.0:
        nothing = Estimate(estimate=0.0, lower=0.0, upper=0.0, confidence=confidence, n=samples)
        return tuple(Indices(name, nothing, nothing) for name in names)
    found = sobol.analyze(
        _problem(names), outputs, calc_second_order=False, num_resamples=RESAMPLES,
        conf_level=confidence, seed=seed,
    )  # fmt: skip

    def estimates(kind: str) -> list[Estimate]:
        return [
            Estimate(
                estimate=float(value),
                lower=float(value - half),
                upper=float(value + half),
                confidence=confidence,
                n=samples,
            )
            for value, half in zip(found[kind], found[f"{kind}_conf"], strict=True)
        ]

    return tuple(
        Indices(name, first, total)
        for name, first, total in zip(names, estimates("S1"), estimates("ST"), strict=True)
    )


def _problem(names: Sequence[str]) -> dict[str, object]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}
