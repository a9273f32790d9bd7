"""What callbacks are given, and an event that can be used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from simpy import Environment, Event
from simpy.events import NORMAL

__all__ = ["NORMAL", "Fired", "Timer"]


class Fired(Protocol):
    """A SimPy event that has happened, with the value its creator gave it."""

    @property
    def value(self) -> Any:
        """Whatever was put in."""


class Timer(Event):
    """An event with one callback that may be set again once it has fired.

    A ``Timeout`` is a new object with a new list of callbacks each time; a server that serves a
    million customers needs one timer. Where speed matters its owner does what :meth:`arm` does
    itself: ``timer.callbacks = timer.fired`` and ``env.schedule(timer, NORMAL, delay_s)``.
    """

    def __init__(self, env: Environment, fired: Callable[[Self], None]) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        self.fired = [fired]

    def arm(self, delay_s: float) -> None:
        """Fire in ``delay_s``; must not be called while an earlier setting is pending."""
        self.callbacks = self.fired
        self.env.schedule(self, NORMAL, delay_s)

    def disarm(self) -> None:
        """Let what is pending pass unheard; the timer is of no use afterwards."""
        self.callbacks = []
