"""Replications of a model with its uncertain figures set, numbered through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.sensitivity.inputs import FixedStreams
from simulator.statistics.intervals import FloatArray
from simulator.streams import Streams
from simulator.sweep.targets import Observation


@dataclass(frozen=True)
class AtPoints:
    """Number i is replication ``i mod replications`` at point ``i div replications``.

    The points share their randomness (common random numbers), so that what differs between them is
    the inputs' doing.
    """

    task: Observation
    names: tuple[str, ...]
    shares: FloatArray = field(repr=False)
    replications: int

    def __call__(self, seed: int, number: int, /) -> Mapping[str, float]:
        """One replication at one point."""
        point, replication = divmod(number, self.replications)
        shares = dict(zip(self.names, self.shares[point].tolist(), strict=True))
        return self.task.observe(FixedStreams(seed, replication, shares))


@dataclass(frozen=True)
class AtDraws:
    """Number i belongs to draw ``i div replications`` of the inputs, with randomness of its own."""

    task: Observation
    names: tuple[str, ...]
    replications: int

    def __call__(self, seed: int, number: int, /) -> Mapping[str, float]:
        """One replication with one draw."""
        random = Streams(seed, number // self.replications).generator("sensitivity.inputs")
        shares = dict(zip(self.names, random.random(len(self.names)).tolist(), strict=True))
        return self.task.observe(FixedStreams(seed, number, shares))
