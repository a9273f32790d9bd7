"""The uncertain figures a model draws, told by running it; and the same model with chosen values.

A model takes every uncertain figure from ``Streams.within(source, range)``, or on a logarithmic
scale from ``Streams.within_factor``. So one replication tells which figures there are, those of the
catalogue and of the model's own assumptions too, and a ``Streams`` that answers otherwise sets
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from architecture.values import Range
from simulator.streams import Streams
from simulator.sweep.targets import Observation


class RecordingStreams(Streams):
    """Streams that keep every uncertain figure by its source, in :attr:`figures`."""

    def __init__(self, seed: int, replication: int) -> None:
        super().__init__(seed, replication)
        self.figures: dict[str, Range] = {}

    def within(self, source: str, figure: Range) -> float:
        """As drawn, and noted."""
        self.figures[source] = figure
        return super().within(source, figure)

    def within_factor(self, source: str, figure: Range) -> float:
        """As drawn, and noted."""
        self.figures[source] = figure
        return super().within_factor(source, figure)


class FixedStreams(Streams):
    """Streams in which some uncertain figures are set to a quantile of their range.

    Everything else is as in ``Streams(seed, replication)``.
    """

    def __init__(self, seed: int, replication: int, shares: Mapping[str, float]) -> None:
        super().__init__(seed, replication)
        self._shares = shares

    def within(self, source: str, figure: Range) -> float:
        """The quantile set for ``source``, or as drawn."""
        share = self._shares.get(source)
        return super().within(source, figure) if share is None else quantile(figure, share)

    def within_factor(self, source: str, figure: Range) -> float:
        """The same on a logarithmic scale."""
        share = self._shares.get(source)
        if share is None or figure.low <= 0:
            return super().within_factor(source, figure)
        low, mode, high = (math.log(end) for end in (figure.low, figure.typical, figure.high))
        return math.exp(_triangular_quantile(low, mode, high, share))


def quantile(figure: Range, share: float) -> float:
    """The value below which ``share`` of a triangular distribution lies.

    Triangular between the extremes with its mode at the typical value, as
    :meth:`simulator.streams.Streams.within` draws.
    """
    return _triangular_quantile(figure.low, figure.typical, figure.high, share)


def _triangular_quantile(low: float, mode: float, high: float, share: float) -> float:
    width = high - low
    if width == 0:
        return mode
    if share * width <= mode - low:
        return low + math.sqrt(share * width * (mode - low))
    return high - math.sqrt((1 - share) * width * (high - mode))


def uncertain_inputs(task: Observation, seed: int = 1) -> dict[str, Range]:
    """Every figure the model draws that is not exactly known, by source, in the order drawn."""
    streams = RecordingStreams(seed, 0)
    task.observe(streams)
    return {
        source: figure for source, figure in streams.figures.items() if figure.low < figure.high
    }
