"""Observed values, their exact moments and their quantiles, in memory that stays flat."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

# So many values are kept as they are; their quantiles are exact.
KEPT = 50_000
# Beyond that, values are counted in bins. A bin is 2^(1/512) wide, so that a quantile is off by
# at most 0.07 % of itself.
BINS_PER_OCTAVE = 512
SMALLEST = 1e-9
OCTAVES = 80


class Tally:
    """A set of values that are not negative.

    Where speed matters its owner appends to :attr:`kept` itself and calls :meth:`fold` when that
    has :data:`KEPT` values.
    """

    __slots__ = ("_bins", "_count", "_highest", "_lowest", "_sum", "kept")

    def __init__(self) -> None:
        self.kept: list[float] = []
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.kept.clear()
        self._bins: npt.NDArray[np.int64] | None = None
        self._count = 0
        self._sum = 0.0
        self._lowest = math.inf
        self._highest = -math.inf

    def add(self, value: float) -> None:
        """Take in one value."""
        self.kept.append(value)
        if len(self.kept) >= KEPT:
            self.fold()

    def fold(self) -> None:
        """Count the kept values in bins, and keep them no longer."""
        values = np.asarray(self.kept)
        self.kept.clear()
        if self._bins is None:
            self._bins = np.zeros(OCTAVES * BINS_PER_OCTAVE, dtype=np.int64)
        places = np.log2(np.maximum(values, SMALLEST) / SMALLEST) * BINS_PER_OCTAVE
        last = len(self._bins) - 1
        self._bins += np.bincount(
            np.minimum(places.astype(np.int64), last), minlength=len(self._bins)
        )
        self._count += len(values)
        self._sum += float(values.sum())
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._count + len(self.kept)

    @property
    def total(self) -> float:
        """Their sum."""
        return self._sum + math.fsum(self.kept)

    @property
    def mean(self) -> float:
        """Their mean; NaN without values."""
        return self.total / self.count if self.count else math.nan

    def quantiles(self, shares: list[float]) -> list[float]:
        """The values below which these shares of all values lie; NaN without values."""
        if not self.count:
            return [math.nan] * len(shares)
        if self._bins is None:
            return [float(value) for value in np.quantile(self.kept, shares)]
        if self.kept:
            self.fold()
        cumulative = np.cumsum(self._bins)
        places = np.searchsorted(cumulative, np.asarray(shares) * self._count, side="left")
        middles = SMALLEST * np.exp2((places + 0.5) / BINS_PER_OCTAVE)
        return [float(value) for value in np.clip(middles, self._lowest, self._highest)]
