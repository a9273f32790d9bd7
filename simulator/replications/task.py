"""What a replication is, and how its failure is told."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Protocol

Metrics = dict[str, float]


class Task(Protocol):
    """One replication: numbers by metric, from a seed and the replication's number.

    It must give the same numbers for the same arguments wherever it runs (randomness only from
    :class:`simulator.streams.Streams` of its arguments) and be picklable: a function of a module,
    or a frozen dataclass with ``__call__``. NaN stands for "nothing observed".
    """

    def __call__(self, seed: int, replication: int, /) -> Mapping[str, float]:
        """Run replication number ``replication``."""
        ...


class ReplicationError(Exception):
    """A replication raised an exception; says which one, so that it can be run again alone.

    Attributes:
        replication: Its number.
        seed: Its seed.
        problem: The original exception's type and message.
        details: The original traceback as text: it may come from another machine.
    """

    def __init__(self, replication: int, seed: int, problem: str, details: str) -> None:
        self.replication = replication
        self.seed = seed
        self.problem = problem
        self.details = details
        # All arguments go to the base so that the error survives pickling.
        super().__init__(replication, seed, problem, details)

    def __str__(self) -> str:
        return f"replication {self.replication} of seed {self.seed}: {self.problem}"


class UnknownMetricError(LookupError):
    """A metric that no replication has; ``known`` are those there are."""

    def __init__(self, metric: str, known: tuple[str, ...]) -> None:
        self.metric = metric
        self.known = known
        super().__init__(f"there is no metric '{metric}' (known: {', '.join(known)})")


class WorkerLostError(Exception):
    """A worker process died without a word (killed, out of memory); names what was unfinished."""


def run_one(task: Task, seed: int, replication: int) -> Metrics:
    """One replication as plain floats in the task's order of metrics.

    Raises:
        ReplicationError: when the task raises; the original exception may be of a type that cannot
            travel between processes, so it travels as text.
    """
    try:
        return {metric: float(value) for metric, value in task(seed, replication).items()}
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ReplicationError(replication, seed, problem, traceback.format_exc()) from error
