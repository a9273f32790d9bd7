"""Stationary distributions of small continuous-time Markov chains, by solving their equations."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np

State = Hashable
# The states that follow a state, with the rates.
Leaving = Callable[[State], Iterable[tuple[State, float]]]


def stationary(start: State, leaving: Leaving) -> dict[State, float]:
    """The share of time in each state that can be reached from ``start``."""
    order = [start]
    number = {start: 0}
    rates: list[tuple[int, int, float]] = []
    for state in order:
        for following, rate in leaving(state):
            if following not in number:
                number[following] = len(order)
                order.append(following)
            rates.append((number[state], number[following], rate))
    generator = np.zeros((len(order), len(order)))
    for a, b, rate in rates:
        generator[a, b] += rate
        generator[a, a] -= rate
    # One balance equation follows from the others; the shares' sum takes its place.
    equations = generator.T
    equations[0] = 1.0
    right = np.zeros(len(order))
    right[0] = 1.0
    shares = np.linalg.solve(equations, right)
    return dict(zip(order, map(float, shares), strict=True))


def mean_of(shares: dict[State, float], value: Callable[[State], float]) -> float:
    """The long-run mean of a function of the state."""
    return sum(share * value(state) for state, share in shares.items())
