"""Textbook systems: closed forms, and the same systems as plants for the solver and the simulation.

λ is a failure rate, μ a repair rate, both an hour; U is the long-run share of time down. Formulas:
Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications,
2nd ed., chapter 8; each follows from the balance of the few states its docstring names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.availability.lives import Life
from simulator.availability.plant import DOWN, SURE, UP, Branch, Level, Numbers, State, Unit


def single(failure: float, repair: float) -> float:
    """U = λ / (λ + μ)."""
    return failure / (failure + repair)


def k_of_n(needed: int, of: int, failure: float, repair: float) -> float:
    """U of ``of`` independent units of which ``needed`` must be up: a binomial tail."""
    down = single(failure, repair)
    return sum(
        math.comb(of, lost) * down**lost * (1 - down) ** (of - lost)
        for lost in range(of - needed + 1, of + 1)
    )


def shared_repair(of: int, failure: float, repair: float) -> float:
    """U of parallel units with one repair crew: π(n) ∝ n! / (N − n)! … · (λ/μ)ⁿ, down when all are.

    The machine-repair model: πₙ = π₀ · N!/(N−n)! · (λ/μ)ⁿ.
    """
    weights = [math.perm(of, lost) * (failure / repair) ** lost for lost in range(of + 1)]
    return weights[-1] / sum(weights)


def parallel_with_coverage(
    failure: float, repair: float, coverage: float, reconfigure: float
) -> float:
    """U of a pair of which each failure takes the service over with probability c, else by hand.

    States 2 (both up), 1, u (one down and not taken over, ended by hand at rate δ), 0 (both down,
    both are being mended). While u lasts the failed unit's repair and the other's failure go on.
    Balances of u, 1 and 0, relative to π₂ = 1:
    π_u = 2λ(1 − c) / (λ + μ + δ), then the cut {2} and the cut {0} give the rest.
    """
    both = 1.0
    uncovered = 2 * failure * (1 - coverage) / (failure + repair + reconfigure)
    # Cut around {2}: 2λ·π2 = μ·(π1 + πu).
    one = 2 * failure * both / repair - uncovered
    # Cut around {0}: 2μ·π0 = λ·(π1 + πu).
    none = failure * (one + uncovered) / (2 * repair)
    return (uncovered + none) / (both + one + uncovered + none)


def cold_standby(failure: float, repair: float, switching: float, by_hand: float) -> float:
    """U of a unit with a cold standby whose switch works with probability p, else by hand.

    The standby cannot fail while it waits; both can be mended at once. States: 2 (one runs, one
    waits), 1 (one runs, one is mended), w (the switch failed: ended by hand at rate δ, or by the
    mended unit), 0 (both down). π₂ = 1: π_w = λ(1 − p)/(δ + μ); cut {2}: λ = μ(π₁ + π_w);
    cut {0}: 2μπ₀ = λπ₁.
    """
    waiting = failure * (1 - switching) / (by_hand + repair)
    one = failure / repair - waiting
    none = failure * one / (2 * repair)
    return (waiting + none) / (1 + waiting + one + none)


def common_cause(failure: float, repair: float, beta: float) -> float:
    """U of a pair that shares a share β of each unit's failures.

    Independent failures at (1 − β)λ each, and a common cause at βλ with its own repair at μ that
    takes both down: a parallel pair in series with one more unit.
    """
    pair = single((1 - beta) * failure, repair) ** 2
    return 1 - (1 - pair) * (1 - single(beta * failure, repair))


def numbers(
    units: int, failure: float, repair: float, timers: dict[str, float] | None = None,
    probabilities: dict[str, float] | None = None,
) -> Numbers:  # fmt: skip
    """Figures of like units; ``timers`` are rates an hour."""
    return Numbers(
        failure=(Life(1 / failure),) * units,
        repair=(Life(1 / repair),) * units,
        timers={name: Life(1 / rate) for name, rate in (timers or {}).items()},
        probabilities=probabilities or {},
    )


def _units(count: int) -> tuple[Unit, ...]:
    return tuple(Unit(f"unit-{index + 1}", "unit") for index in range(count))


@dataclass(frozen=True)
class Redundant:
    """Like units of which ``needed`` must be up; repairs by ``crews`` at once."""

    units: tuple[Unit, ...]
    needed: int = 1
    crews: int | None = None

    @classmethod
    def of(cls, count: int, needed: int = 1, crews: int | None = None) -> Redundant:
        """``count`` units."""
        return cls(_units(count), needed, crews)

    def start(self) -> State:
        return State(frozenset())

    def failed(self, state: State, unit: int) -> tuple[Branch, ...]:
        return ((SURE, State(state.down | {unit})),)

    def mended(self, state: State, unit: int) -> tuple[Branch, ...]:
        return ((SURE, State(state.down - {unit})),)

    def timer(self, state: State) -> str:  # noqa: ARG002
        return ""

    def elapsed(self, state: State) -> tuple[Branch, ...]:
        return ((SURE, state),)

    def dormant(self, state: State) -> frozenset[int]:  # noqa: ARG002
        return frozenset()

    def level(self, state: State) -> Level:
        return UP if len(self.units) - len(state.down) >= self.needed else DOWN


@dataclass(frozen=True)
class Covered(Redundant):
    """A pair that shares the load: each failure is taken over, or waits for a hand."""

    def failed(self, state: State, unit: int) -> tuple[Branch, ...]:
        down = state.down | {unit}
        if state.down:
            return ((SURE, State(down)),)
        return (("covered", State(down)), ("uncovered", State(down, "by-hand")))

    def mended(self, state: State, unit: int) -> tuple[Branch, ...]:
        return ((SURE, State(state.down - {unit})),)

    def timer(self, state: State) -> str:
        return state.phase

    def elapsed(self, state: State) -> tuple[Branch, ...]:
        return ((SURE, State(state.down)),)

    def level(self, state: State) -> Level:
        return DOWN if state.phase or len(state.down) == len(self.units) else UP


@dataclass(frozen=True)
class ColdStandby(Covered):
    """One unit runs, the other waits and cannot fail; the switch to it may not work."""

    def failed(self, state: State, unit: int) -> tuple[Branch, ...]:
        down, other = state.down | {unit}, 1 - unit
        if state.down:
            return ((SURE, State(down, "", state.active)),)
        return (("covered", State(down, "", other)), ("uncovered", State(down, "by-hand", unit)))

    def mended(self, state: State, unit: int) -> tuple[Branch, ...]:
        down = state.down - {unit}
        # After both were down the first to be mended runs.
        active = unit if len(state.down) == len(self.units) else state.active
        return ((SURE, State(down, "", active)),)

    def elapsed(self, state: State) -> tuple[Branch, ...]:
        return ((SURE, State(state.down, "", 1 - state.active)),)

    def dormant(self, state: State) -> frozenset[int]:
        if state.phase:
            return frozenset({0, 1})
        return frozenset({1 - state.active})


@dataclass(frozen=True)
class CommonCause(Redundant):
    """A pair, and a third unit that stands for what takes both down."""

    def level(self, state: State) -> Level:
        return DOWN if 2 in state.down or {0, 1} <= state.down else UP  # noqa: PLR2004
