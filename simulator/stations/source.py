"""Where customers of an open class come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simpy import Environment

from simulator.events import NORMAL, Timer
from simulator.streams import Variate


class Source:
    """Lets a customer, or a group of them, arrive after each gap.

    Args:
        env: The simulation.
        gaps_s: Seconds to the first arrival and between arrivals (see
            :mod:`simulator.stations.arrivals`); the source is dry when they end.
        emit: Called for each customer.
        group_size: Customers that come at once, rounded to a whole number of at least 1; one when
            left out.
    """

    def __init__(
        self, env: Environment, gaps_s: Iterator[float], emit: Callable[[], None],
        group_size: Variate | None = None,
    ) -> None:  # fmt: skip
        self._next_gap_s = iter(gaps_s).__next__
        self._emit = emit if group_size is None else self._emit_group
        self._emit_one = emit
        self._group_size = group_size
        self._schedule = env.schedule
        self._set(Timer(env, self._arrive))

    def _arrive(self, timer: Timer) -> None:
        self._emit()
        try:
            gap_s = self._next_gap_s()
        except StopIteration:
            return
        timer.callbacks = timer.fired
        self._schedule(timer, NORMAL, gap_s)

    def _emit_group(self) -> None:
        size = 1 if self._group_size is None else max(round(self._group_size()), 1)
        for _ in range(size):
            self._emit_one()

    def _set(self, timer: Timer) -> None:
        """Set the timer for the first arrival, if there is one."""
        try:
            timer.arm(self._next_gap_s())
        except StopIteration:
            return
