"""Times to failure and to repair: their means, their shapes, and samples of them. Hours."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from architecture.operations import ExponentialShape, LognormalShape, Shape
from simulator.streams import Streams, Variate, in_blocks

Kind = Literal["exponential", "weibull", "lognormal", "constant"]


@dataclass(frozen=True)
class Life:
    """How long something lasts: a mean in hours (may be infinite), and the shape around it.

    ``parameter`` is the Weibull shape or the lognormal coefficient of variation.
    """

    mean_h: float
    kind: Kind = "exponential"
    parameter: float = 1.0

    @property
    def rate(self) -> float:
        """Events an hour when the shape is exponential."""
        return 0.0 if math.isinf(self.mean_h) else 1 / self.mean_h

    def exponential(self) -> Life:
        """The same mean without memory, as a Markov chain takes it."""
        return replace(self, kind="exponential", parameter=1.0)

    def scaled(self, factor: float) -> Life:
        """The same shape with ``factor`` times the mean."""
        return replace(self, mean_h=self.mean_h * factor)


def life(mean_h: float, shape: Shape) -> Life:
    """A life from a design's shape and a mean."""
    if isinstance(shape, ExponentialShape):
        return Life(mean_h)
    if isinstance(shape, LognormalShape):
        return Life(mean_h, "lognormal", shape.cv)
    return Life(mean_h, "weibull", shape.shape)


def variate(drawn: Life, streams: Streams, source: str) -> Variate:
    """A function that gives the next value. It scales with the mean, value by value.

    Two designs that differ in a mean alone therefore see the same luck (common random numbers).
    Weibull: mean = scale · Γ(1 + 1/shape). Lognormal: mean = exp(μ + σ²/2), σ² = ln(1 + cv²).
    """
    mean = drawn.mean_h
    if drawn.kind == "constant" or math.isinf(mean):
        return lambda: mean
    generator = streams.generator(source)
    if drawn.kind == "exponential":
        return in_blocks(lambda size: generator.standard_exponential(size) * mean, 256)
    if drawn.kind == "weibull":
        power = 1 / drawn.parameter
        scale = mean / math.gamma(1 + power)
        return in_blocks(lambda size: generator.standard_exponential(size) ** power * scale, 256)
    variance = math.log1p(drawn.parameter**2)
    shift, sigma = math.log(mean) - variance / 2, math.sqrt(variance)
    return in_blocks(lambda size: generator.lognormal(shift, sigma, size), 256)
