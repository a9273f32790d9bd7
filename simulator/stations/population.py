"""A closed population: think, go through the system, think again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy import Environment

from simulator.stations.delay import Delay
from simulator.streams import Variate


class Population:
    """So many customers, each of whom thinks before each round; all begin by thinking.

    Args:
        env: The simulation.
        members: The customers.
        think_s: Seconds of thought before a round.
        send: Lets a customer begin a round; the system calls :meth:`enter` when it is over.
        name: For the results.
    """

    def __init__(
        self, env: Environment, members: list[Any], think_s: Variate, send: Callable[[Any], None],
        name: str,
    ) -> None:  # fmt: skip
        self.thinking = Delay(env, name)
        self._think_s = think_s
        self._send = send
        for member in members:
            self.enter(member)

    def enter(self, member: Any) -> None:
        """A customer has ended its round."""
        self.thinking.request(self._think_s(), self._send, member)
