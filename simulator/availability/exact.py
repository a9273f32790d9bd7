"""A design's expected downtime from its Markov chain: no sampling noise, so small changes show.

All times keep their means and lose their shapes. In the long run only means matter as long as
units fail and are mended independently; failures of more than :data:`MAX_DOWN` units at once are
left out (for the shipped designs they change the sixth digit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from simulator.availability.chain import SteadyState, explore
from simulator.availability.lives import Life
from simulator.availability.planned import planned_work
from simulator.availability.plant import Level, Numbers
from simulator.availability.rates import YEAR_H, Value, drawn, numbers_for, typical
from simulator.availability.uptime import UptimeModel
from simulator.streams import Streams

FloatArray = npt.NDArray[np.float64]

MAX_DOWN = 2
DRAWS = 100

LOST: dict[str, Callable[[Level], float]] = {
    "time_based": lambda level: float(not level.full),
    "with_emergency": lambda level: float(not level.answering),
    "request_based": lambda level: 1 - level.requests,
    "capacity_weighted": lambda level: 1 - level.capacity,
}


class ExactModel:
    """The chain of one design. Requests are counted at their first try: retries need a history."""

    def __init__(self, model: UptimeModel) -> None:
        self.model = model
        self.chain = explore(model.plant, max_down=MAX_DOWN)

    def numbers(self, value: Value = typical) -> Numbers:
        """The plant's figures."""
        return numbers_for(self.model.structure, self.model.failover, value)

    def solve(self, numbers: Numbers | None = None) -> SteadyState:
        """The long run with the given figures, typical ones by default."""
        return self.chain.solve(numbers or self.numbers())

    def lost_h_per_year(self, measure: str, value: Value = typical) -> float:
        """Hours a year that the measure lacks of 1, planned work included."""
        return self.unplanned_h(measure, self.numbers(value)) + self.planned_h(measure, value)

    def unplanned_h(self, measure: str, numbers: Numbers) -> float:
        """The same without planned work."""
        return self.solve(numbers).mean(LOST[measure]) * YEAR_H

    def planned_h(self, measure: str, value: Value = typical) -> float:
        """Hours a year of planned work."""
        work = planned_work(self.model.design, value)
        if measure == "request_based":
            return sum(item.requests_h for item in work)
        return sum(item.downtime_h for item in work)

    def draws(
        self, measures: Iterable[str], *, seed: int, draws: int = DRAWS
    ) -> dict[str, FloatArray]:
        """Lost hours a year for many draws of the uncertain figures: what is not known, alone."""
        wanted = tuple(measures)
        found: dict[str, list[float]] = {measure: [] for measure in wanted}
        for number in range(draws):
            value = drawn(Streams(seed, number))
            solved = self.solve(self.numbers(value))
            for measure in wanted:
                unplanned_h = solved.mean(LOST[measure]) * YEAR_H
                found[measure].append(unplanned_h + self.planned_h(measure, value))
        return {measure: np.array(values) for measure, values in found.items()}


def scaled(
    numbers: Numbers, units: Iterable[int], *, failure: float = 1.0, repair: float = 1.0
) -> Numbers:
    """The figures with some units' mean times multiplied."""
    chosen = frozenset(units)

    def change(lives: tuple[Life, ...], factor: float) -> tuple[Life, ...]:
        return tuple(
            life.scaled(factor) if index in chosen else life for index, life in enumerate(lives)
        )

    return replace(
        numbers, failure=change(numbers.failure, failure), repair=change(numbers.repair, repair)
    )
