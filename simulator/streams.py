"""Named random streams, and variates drawn from a design's distributions in blocks.

Every (seed, replication, source) has a stream of its own. Two designs simulated with one seed
therefore see the same clinicians (common random numbers), and adding a source disturbs no other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from architecture.values import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Range,
    Uniform,
)

FloatArray = npt.NDArray[np.float64]
Variate = Callable[[], float]

BLOCK = 1024


class Streams:
    """The random streams of one replication."""

    def __init__(self, seed: int, replication: int) -> None:
        self._seed = seed
        self._replication = replication

    def generator(self, source: str) -> np.random.Generator:
        """A fresh generator of the stream named ``source``; asked for twice, it starts again."""
        digest = hashlib.sha256(source.encode()).digest()
        words = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little"))
        sequence = np.random.SeedSequence(self._seed, spawn_key=(self._replication, *words))
        return np.random.Generator(np.random.PCG64(sequence))

    def variate(self, source: str, distribution: Distribution) -> Variate:
        """A function that gives the next value of ``distribution`` from the stream ``source``."""
        if isinstance(distribution, Constant):
            value = distribution.value
            return lambda: value
        generator = self.generator(source)
        return in_blocks(lambda size: sample(distribution, generator, size))

    def uniform(self, source: str) -> Variate:
        """A function that gives the next value uniform on [0, 1) from the stream ``source``."""
        generator = self.generator(source)
        return in_blocks(generator.random)

    def within(self, source: str, figure: Range) -> float:
        """One value of an uncertain figure: triangular between its extremes, at its typical."""
        return triangular(figure.low, figure.typical, figure.high, self.generator(source))

    def within_factor(self, source: str, figure: Range) -> float:
        """One value of a figure that is uncertain by a factor: :meth:`within` on a log scale.

        A range that begins at 0 has no logarithm and is taken linearly.
        """
        if figure.low <= 0:
            return self.within(source, figure)
        low, mode, high = (math.log(end) for end in (figure.low, figure.typical, figure.high))
        return math.exp(triangular(low, mode, high, self.generator(source)))


def in_blocks(draw: Callable[[int], FloatArray], block: int = BLOCK) -> Variate:
    """Scalars from a function that draws arrays: drawing singly costs more than an event does."""

    def endless() -> Iterator[float]:
        while True:
            yield from draw(block).tolist()

    return endless().__next__


def sample(distribution: Distribution, generator: np.random.Generator, size: int) -> FloatArray:
    """``size`` independent values of ``distribution``, in the distribution's own unit."""
    match distribution:
        case Constant(value=value):
            return np.full(size, value)
        case Exponential(mean=mean):
            return generator.exponential(mean, size)
        case Lognormal(mean=mean, cv=cv):
            variance = math.log1p(cv * cv)
            return generator.lognormal(math.log(mean) - variance / 2, math.sqrt(variance), size)
        case Gamma(mean=mean, cv=cv):
            shape = 1 / (cv * cv)
            return generator.gamma(shape, mean / shape, size)
        case Uniform(low=low, high=high):
            return generator.uniform(low, high, size)
        case Empirical(values=values):
            return generator.choice(np.asarray(values, dtype=float), size)


def triangular(low: float, mode: float, high: float, generator: np.random.Generator) -> float:
    """One triangular value; ``low == high`` is allowed and gives that value."""
    return float(generator.triangular(low, mode, high)) if low < high else mode
