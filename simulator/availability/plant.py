"""What a system is to the availability model: units that fail, states, and what happens next.

A plant is pure description: it holds no numbers but names of them, so that one description is
solved exactly (:mod:`simulator.availability.chain`) and simulated
(:mod:`simulator.availability.long_run`), with whatever figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from simulator.availability.lives import Life

SURE = ""


@dataclass(frozen=True)
class Unit:
    """Something that fails and is mended, again and again.

    Attributes:
        name: Unique; also the name of its random streams.
        cause: Under which name its downtime is counted.
    """

    name: str
    cause: str


class State(NamedTuple):
    """Where a plant stands: which units are down, what is going on, which part is the active one.

    ``phase`` is the plant's own word; empty when nothing is going on.
    """

    down: frozenset[int]
    phase: str = ""
    active: int = 0


@dataclass(frozen=True)
class Level:
    """What clinicians have in a state; shares in [0, 1].

    Attributes:
        full: Everybody has every function.
        answering: Somebody can look a patient up, if only in an emergency mode.
        capacity: Share of users times share of functions.
        requests: Share of the usual requests that are served.
    """

    full: bool
    answering: bool
    capacity: float
    requests: float


UP = Level(full=True, answering=True, capacity=1.0, requests=1.0)
DOWN = Level(full=False, answering=False, capacity=0.0, requests=0.0)

# Name of a probability in the figures (SURE for certainty), and where it leads.
Branch = tuple[str, State]


class Plant(Protocol):
    """A system's units and what follows from what; every method is a pure function."""

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units; states name them by position."""

    @property
    def crews(self) -> int | None:
        """How many units can be mended at once; None for as many as there are."""

    def start(self) -> State:
        """The state in which everything is well."""

    def failed(self, state: State, unit: int) -> tuple[Branch, ...]:
        """What can follow when ``unit`` fails in ``state``."""

    def mended(self, state: State, unit: int) -> tuple[Branch, ...]:
        """What can follow when ``unit`` is mended in ``state``."""

    def timer(self, state: State) -> str:
        """Name of the time after which the phase ends by itself; empty when it does not."""

    def elapsed(self, state: State) -> tuple[Branch, ...]:
        """What can follow when that time has passed."""

    def dormant(self, state: State) -> frozenset[int]:
        """Units that cannot fail in this state, although they are up."""

    def level(self, state: State) -> Level:
        """What clinicians have."""


@dataclass(frozen=True)
class Numbers:
    """The figures of a plant. Hours and probabilities.

    Attributes:
        failure: Time to failure of each unit.
        repair: Time to repair of each unit.
        timers: Times by the names that :meth:`Plant.timer` gives.
        probabilities: By the names that stand in branches; :data:`SURE` need not be in it.
    """

    failure: tuple[Life, ...]
    repair: tuple[Life, ...]
    timers: Mapping[str, Life] = field(default_factory=dict)
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def probability(self, name: str) -> float:
        """Of a branch."""
        return 1.0 if name == SURE else self.probabilities[name]

    def exponential(self) -> Numbers:
        """The same means and probabilities without any memory: what a Markov chain solves."""
        return Numbers(
            failure=tuple(life.exponential() for life in self.failure),
            repair=tuple(life.exponential() for life in self.repair),
            timers={name: life.exponential() for name, life in self.timers.items()},
            probabilities=dict(self.probabilities),
        )
