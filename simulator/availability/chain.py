"""Exact answers: a plant's states as a continuous-time Markov chain, solved for its steady state.

The chain is explored once, by name; its rates are filled in for each set of figures. Failures
beyond ``max_down`` units at once are left out (the mass of such states is bounded by
:attr:`SteadyState.edge_mass`'s next order); without it the chain is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from simulator.availability.plant import Level, Numbers, Plant, State

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DENSE_STATES = 200
MAX_STATES = 200_000


@dataclass(frozen=True)
class Chain:
    """States and named transitions.

    ``rate_of`` and ``probability_of`` index :attr:`rate_names` and :attr:`probability_names`;
    ``factor`` is the share of a repair's full rate (crews).
    """

    states: tuple[State, ...]
    levels: tuple[Level, ...]
    source: IntArray
    target: IntArray
    rate_of: IntArray
    probability_of: IntArray
    factor: FloatArray
    rate_names: tuple[tuple[str, int | str], ...]
    probability_names: tuple[str, ...]
    max_down: int | None

    def rates(self, numbers: Numbers) -> FloatArray:
        """Transitions an hour, in the order of ``source`` and ``target``."""
        lives = {"fail": numbers.failure, "mend": numbers.repair}
        named = np.array([
            (numbers.timers[str(which)] if kind == "timer" else lives[kind][int(which)]).rate
            for kind, which in self.rate_names
        ])  # fmt: skip
        chances = np.array([numbers.probability(name) for name in self.probability_names])
        filled: FloatArray = named[self.rate_of] * chances[self.probability_of] * self.factor
        return filled

    def reward(self, of: Callable[[Level], float]) -> FloatArray:
        """A value for each state."""
        return np.array([float(of(level)) for level in self.levels])

    def solve(self, numbers: Numbers) -> SteadyState:
        """Long-run probabilities of the states."""
        rates = self.rates(numbers)
        size = len(self.states)
        if size <= DENSE_STATES:
            matrix = np.zeros((size, size))
            np.add.at(matrix, (self.source, self.target), rates)
            shares = gth(matrix)
        else:
            shares = _solve_sparse(size, self.source, self.target, rates)
        return SteadyState(self, rates, shares)


@dataclass(frozen=True)
class SteadyState:
    """A chain's long run. ``shares`` are the states' shares of time."""

    chain: Chain
    rates: FloatArray
    shares: FloatArray

    def mean(self, of: Callable[[Level], float]) -> float:
        """Long-run mean of a value of the level, for example its capacity."""
        return float(self.shares @ self.chain.reward(of))

    @property
    def unavailability(self) -> float:
        """Share of time without full service, summed directly: 1 − availability loses digits."""
        return float(self.shares @ self.chain.reward(lambda level: not level.full))

    @property
    def outages_per_h(self) -> float:
        """How often full service ends, an hour."""
        full = self.chain.reward(lambda level: level.full)
        ends = (full[self.chain.source] > 0) & (full[self.chain.target] == 0)
        return float((self.shares[self.chain.source] * self.rates)[ends].sum())

    @property
    def mean_outage_h(self) -> float:
        """Mean length of an outage: unavailability by frequency."""
        return self.unavailability / self.outages_per_h

    @property
    def edge_mass(self) -> float:
        """Share of time with ``max_down`` units down: where truncation begins to bite."""
        if self.chain.max_down is None:
            return 0.0
        at_edge = [len(state.down) >= self.chain.max_down for state in self.chain.states]
        return float(self.shares @ np.array(at_edge, dtype=float))


def explore(plant: Plant, *, max_down: int | None = None) -> Chain:
    """Every state that can be reached from the start, and every transition between them.

    With ``crews``, units waiting for one are taken to be mended in turns of equal rate: exact when
    their repair rates are equal.

    Raises:
        ValueError: when there are more than :data:`MAX_STATES` states.
    """
    start = plant.start()
    number = {start: 0}
    rows: list[tuple[int, int, tuple[str, int | str], str, float]] = []
    waiting = [start]
    while waiting:
        state = waiting.pop()
        for rate, branches, factor in _events(plant, state, max_down):
            for chance, target in branches:
                if target not in number:
                    number[target] = len(number)
                    waiting.append(target)
                rows.append((number[state], number[target], rate, chance, factor))
        if len(number) > MAX_STATES:
            raise ValueError(f"more than {MAX_STATES} states; give a smaller max_down")
    rate_names = tuple(dict.fromkeys(row[2] for row in rows))
    chance_names = tuple(dict.fromkeys(row[3] for row in rows))
    rate_index = {name: index for index, name in enumerate(rate_names)}
    chance_index = {name: index for index, name in enumerate(chance_names)}
    states = tuple(number)
    return Chain(
        states=states,
        levels=tuple(plant.level(state) for state in states),
        source=np.array([row[0] for row in rows], dtype=np.int64),
        target=np.array([row[1] for row in rows], dtype=np.int64),
        rate_of=np.array([rate_index[row[2]] for row in rows], dtype=np.int64),
        probability_of=np.array([chance_index[row[3]] for row in rows], dtype=np.int64),
        factor=np.array([row[4] for row in rows]),
        rate_names=rate_names,
        probability_names=chance_names,
        max_down=max_down,
    )


Event = tuple[tuple[str, int | str], tuple[tuple[str, State], ...], float]


def _events(plant: Plant, state: State, max_down: int | None) -> list[Event]:
    found: list[Event] = []
    if max_down is None or len(state.down) < max_down:
        idle = state.down | plant.dormant(state)
        found.extend(
            (("fail", unit), plant.failed(state, unit), 1.0)
            for unit in range(len(plant.units))
            if unit not in idle
        )
    share = 1.0 if plant.crews is None else min(1.0, plant.crews / max(len(state.down), 1))
    found.extend((("mend", unit), plant.mended(state, unit), share) for unit in sorted(state.down))
    timer = plant.timer(state)
    if timer:
        found.append((("timer", timer), plant.elapsed(state), 1.0))
    return found


def gth(rates: FloatArray) -> FloatArray:
    """Steady state of a small chain by elimination without subtractions.

    Every state's share comes out with full relative accuracy, however rare it is (Grassmann,
    Taksar & Heyman, Operations Research 33, 1985). ``rates[i, j]`` is the rate from i to j; the
    diagonal is not read. State 0 must be reachable from every other.
    """
    matrix = np.array(rates, dtype=float)
    size = len(matrix)
    for last in range(size - 1, 0, -1):
        away = matrix[last, :last].sum()
        if away == 0:  # never left and never reached: all of its weight is none
            matrix[:last, last] = 0.0
            continue
        matrix[:last, last] /= away
        matrix[:last, :last] += np.outer(matrix[:last, last], matrix[last, :last])
    shares = np.zeros(size)
    shares[0] = 1.0
    for state in range(1, size):
        shares[state] = shares[:state] @ matrix[:state, state]
    normalised: FloatArray = shares / shares.sum()
    return normalised


def _solve_sparse(size: int, source: IntArray, target: IntArray, rates: FloatArray) -> FloatArray:
    """Balance of every state but the first, whose share is set to 1 and normalised afterwards.

    The remaining matrix is a diagonally dominant M-matrix: its factors need no pivots and lose no
    digits to cancellation between large and small rates. An ordering for symmetric patterns keeps
    them forty times sparser than the usual one: failures and repairs go both ways.
    """
    away = np.bincount(source, weights=rates, minlength=size)
    away[away == 0] = 1.0  # never reached with these figures
    flow = sparse.csc_array((rates, (target, source)), shape=(size, size))
    inner = sparse.csc_array(sparse.diags_array(away[1:]) - flow[1:, 1:])
    into = flow[1:, [0]].toarray().ravel()
    factors = splu(
        inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    shares = np.concatenate([[1.0], factors.solve(into)])
    normalised: FloatArray = np.clip(shares, 0.0, None) / shares.sum()
    return normalised
