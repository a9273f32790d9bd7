"""A journey as a Markov chain: where clinicians are in the long run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from architecture.workload import Step, Workload
from simulator.streams import FloatArray


def repeated_steps(workload: Workload) -> list[Step]:
    """The steps that are taken in every round, over all journeys in order."""
    return [step for steps in _by_journey(workload) for step in steps]


def _by_journey(workload: Workload) -> list[list[Step]]:
    return [
        [
            step
            for step in journey.steps
            if not step.once and not step.session_start and step.probability > 0
        ]
        for journey in workload.journeys.values()
    ]


def transitions(workload: Workload) -> FloatArray:
    """Probability that one repeated step is followed by another; rows sum to 1.

    A round goes through a journey's steps, each taken with its probability; then a journey is
    picked anew by weight.
    """
    by_journey = _by_journey(workload)
    weights = np.array([journey.weight for journey in workload.journeys.values()])
    starts = np.cumsum([0, *(len(steps) for steps in by_journey)])
    size = int(starts[-1])
    # Where a new round's first taken step is, given that some round takes one.
    entry = np.zeros(size)
    for weight, steps, start in zip(weights / weights.sum(), by_journey, starts, strict=False):
        entry[start : start + len(steps)] = weight * _first_taken(steps)
    entry /= entry.sum()
    matrix = np.zeros((size, size))
    for steps, start in zip(by_journey, starts, strict=False):
        for number in range(len(steps)):
            later = _first_taken(steps[number + 1 :])
            row = matrix[start + number]
            row[start + number + 1 : start + len(steps)] = later
            row += (1 - later.sum()) * entry
    return matrix


def _first_taken(steps: Sequence[Step]) -> FloatArray:
    """Probability that each step is the first of ``steps`` to be taken."""
    probabilities = np.array([step.probability for step in steps])
    skipped = np.cumprod(np.append(1.0, 1 - probabilities))[:-1]
    taken: FloatArray = probabilities * skipped
    return taken


def visits(matrix: FloatArray) -> FloatArray:
    """Stationary shares of the chain's states: the left eigenvector at 1."""
    size = len(matrix)
    equations = np.vstack([matrix.T - np.eye(size), np.ones(size)])
    solution, *_ = np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)
    return np.asarray(np.clip(solution, 0.0, None), dtype=float)
