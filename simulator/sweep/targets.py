"""What may be asked of a design: a target makes the task that is replicated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from architecture.design import Design
from simulator.replications import Task
from simulator.streams import Streams


class Observation(Protocol):
    """A task that takes its randomness, and its uncertain figures, from streams it is given."""

    def __call__(self, seed: int, replication: int, /) -> Mapping[str, float]:
        """One replication with the streams of seed and replication."""
        ...

    def observe(self, streams: Streams) -> Mapping[str, float]:
        """One replication with these streams."""
        ...


class Target(Protocol):
    """A question to a design."""

    @property
    def name(self) -> str:
        """By which results name it."""
        ...

    @property
    def shown(self) -> tuple[str, ...]:
        """Patterns (``*`` and ``?``) of the metrics worth a column of a table."""
        ...

    def task(self, design: Design) -> Task:
        """The task of one design.

        Raises:
            InputError: when the design cannot be asked this.
        """
        ...

    def identity(self, design: Design) -> Mapping[str, JsonValue]:
        """What the task's numbers depend on besides the design, for the cache."""
        ...


@dataclass(frozen=True)
class FunctionTask:
    """A function of one's own, with its design."""

    function: Callable[[Design, int, int], Mapping[str, float]]
    design: Design

    def __call__(self, seed: int, replication: int, /) -> Mapping[str, float]:
        """Call it."""
        return self.function(self.design, seed, replication)


@dataclass(frozen=True)
class FunctionTarget:
    """A target from a picklable function ``(design, seed, replication) → metrics``."""

    function: Callable[[Design, int, int], Mapping[str, float]]
    name: str = "function"
    shown: tuple[str, ...] = ("*",)

    def task(self, design: Design) -> FunctionTask:
        """The function with ``design``."""
        return FunctionTask(self.function, design)

    def identity(self, design: Design) -> dict[str, JsonValue]:  # noqa: ARG002
        """The function's name; its file is part of the code's version."""
        return {"function": f"{self.function.__module__}.{self.function.__qualname__}"}
