"""Choices from a stream of uniform numbers, drawn in bulk: quick, and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar
from uuid import UUID

import numpy as np

T = TypeVar("T")

_DRAWN_AT_ONCE: Final = 4096


class Picker:
    """Picks from one random stream. Only the generator's raw uniform numbers are used."""

    def __init__(self, entropy: Sequence[int]) -> None:
        self._generator = np.random.default_rng(np.random.SeedSequence(list(entropy)))
        self._uniform: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._uniform:
            self._uniform = self._generator.random(_DRAWN_AT_ONCE).tolist()
        return self._uniform.pop()

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely; there must be one."""
        return options[int(self.uniform() * len(options))]

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def uuid(self) -> UUID:
        """A random UUID (version 4)."""
        low, high = (int(self.uniform() * 2**53) for _ in range(2))
        extra = int(self.uniform() * 2**22)
        return UUID(int=(high << 75 | low << 22 | extra) & (2**128 - 1), version=4)
