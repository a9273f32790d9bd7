"""Ten thousand years of `dual-m3-ultra` on one core: our SimPy model, NumPy, and a compiled kernel.

All three simulate the same process: the design's plant with every time exponential, at typical
figures. The two rivals are written for nothing but speed: they jump through a table of the plant's
states (at most two units down at once; the exact answers differ by three parts in a million). Each
answer is held against the exact one. Rounds are interleaved, so that a change of the machine's
speed hits all; processor time is compared, compiling and exploring the states are left out.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from architecture import load_design
from simulator.availability.chain import Chain
from simulator.availability.exact import ExactModel
from simulator.availability.long_run import Machine, simulate_plant
from simulator.availability.plant import Numbers
from simulator.availability.rates import YEAR_H
from simulator.availability.uptime import UptimeModel
from simulator.streams import Streams

YEARS = 10_000
REPLICATIONS = 20
LOCKSTEP = 2_000
ROUNDS = 5
SEED = 7
MINUTES_A_YEAR = YEAR_H * 60

FloatArray = npt.NDArray[np.float64]
Downtimes = FloatArray  # share of time down, by replication


@dataclass(frozen=True)
class Table:
    """Jumps of the chain, a row a state, as wide as the busiest."""

    target: npt.NDArray[np.int64]
    chance: FloatArray
    stay_h: FloatArray
    down: npt.NDArray[np.bool_]


def table(chain: Chain, numbers: Numbers) -> Table:
    """Fill the rates in."""
    rates = chain.rates(numbers)
    size = len(chain.states)
    order = np.argsort(chain.source, kind="stable")
    degree = np.bincount(chain.source, minlength=size)
    column = np.concatenate([np.arange(count) for count in degree])
    row = chain.source[order]
    rate = np.zeros((size, int(degree.max())))
    target = np.zeros(rate.shape, dtype=np.int64)
    rate[row, column], target[row, column] = rates[order], chain.target[order]
    out = rate.sum(axis=1)
    chance = np.cumsum(rate / np.where(out > 0, out, 1.0)[:, None], axis=1)
    down = np.array([not level.full for level in chain.levels])
    return Table(target, chance, 1 / np.where(out > 0, out, np.inf), down)


def with_simpy(exact: ExactModel, numbers: Numbers) -> Downtimes:
    """Our model: long-lived processes, reactions found out as they are met."""
    plant = exact.model.plant
    horizon_h = YEARS / REPLICATIONS * YEAR_H
    machine = Machine(plant, numbers)
    found = []
    for number in range(REPLICATIONS):
        journal = simulate_plant(
            plant, numbers, horizon_h=horizon_h, streams=Streams(SEED, number), machine=machine
        )
        full = np.array([level.full for level in journal.levels])[journal.states]
        found.append(float(journal.spans_h[~full].sum()) / horizon_h)
    return np.array(found)


def with_numpy(jumps: Table) -> Downtimes:
    """Thousands of short horizons side by side, one jump of each at a time."""
    generator = np.random.default_rng(SEED)
    horizon_h = YEARS / LOCKSTEP * YEAR_H
    state, clock = np.zeros(LOCKSTEP, dtype=np.int64), np.zeros(LOCKSTEP)
    down_h = np.zeros(LOCKSTEP)
    while (running := np.flatnonzero(clock < horizon_h)).size:
        at = state[running]
        stay = generator.standard_exponential(running.size) * jumps.stay_h[at]
        stay = np.minimum(stay, horizon_h - clock[running])
        clock[running] += stay
        down_h[running] += np.where(jumps.down[at], stay, 0.0)
        dice = generator.random(running.size)
        taken = (jumps.chance[at] <= dice[:, None]).sum(axis=1)
        state[running] = jumps.target[at, np.minimum(taken, jumps.target.shape[1] - 1)]
    return down_h / horizon_h


def compiled() -> Callable[[Table], Downtimes] | None:
    """The same loop, one horizon after the other, as machine code; None without numba."""
    try:
        import numba  # noqa: PLC0415 - it is no dependency of ours
    except ImportError:
        return None

    @numba.njit
    def kernel(  # noqa: PLR0917 - numba knows no keywords
        target: Any, chance: Any, stay_h: Any, down: Any, horizon_h: float, many: int, seed: int
    ) -> Any:  # pragma: no cover
        np.random.seed(seed)  # noqa: NPY002 - what numba knows
        found = np.zeros(many)
        for number in range(many):
            state, clock, lost = 0, 0.0, 0.0
            while clock < horizon_h:
                stay = min(np.random.exponential(1.0) * stay_h[state], horizon_h - clock)  # noqa: NPY002
                clock += stay
                if down[state]:
                    lost += stay
                dice, taken = np.random.random(), 0  # noqa: NPY002
                while chance[state, taken] <= dice:
                    taken += 1
                state = target[state, taken]
            found[number] = lost / horizon_h
        return found

    def run(jumps: Table) -> Downtimes:
        horizon_h = YEARS / REPLICATIONS * YEAR_H
        made: Downtimes = kernel(
            jumps.target, jumps.chance, jumps.stay_h, jumps.down, horizon_h, REPLICATIONS, SEED
        )
        return made

    return run


def main() -> None:
    """Run the rounds; print medians, ranges, ratios and how far each answer is from the exact."""
    exact = ExactModel(UptimeModel(load_design("dual-m3-ultra")))
    numbers = exact.numbers().exponential()
    jumps = table(exact.chain, numbers)
    right = exact.chain.solve(numbers).unavailability
    ways: dict[str, Callable[[], Downtimes]] = {
        "simulator.availability (SimPy)": lambda: with_simpy(exact, numbers),
        "NumPy, in lockstep": lambda: with_numpy(jumps),
    }
    kernel = compiled()
    if kernel is not None:
        kernel(jumps)
        ways["numba kernel"] = lambda: kernel(jumps)
    times: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Downtimes] = {}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            start = time.process_time()
            answers[name] = run()
            times[name].append(time.process_time() - start)
    print(
        f"{YEARS} years of dual-m3-ultra, {len(exact.model.plant.units)} units, one core, "
        f"{ROUNDS} interleaved rounds; exact: {right * MINUTES_A_YEAR:.1f} min a year"
    )
    ours = statistics.median(times["simulator.availability (SimPy)"])
    for name, values in times.items():
        found = answers[name]
        error = found.std(ddof=1) / math.sqrt(len(found))
        z = (found.mean() - right) / error
        assert abs(z) < 4, (name, found.mean(), right, error)
        median = statistics.median(values)
        print(
            f"  {name:<31} {median:7.3f} s (median of {ROUNDS}, {min(values):.3f} to "
            f"{max(values):.3f}), {ours / median:6.1f} × as fast; "
            f"{found.mean() * MINUTES_A_YEAR:.1f} ± {error * MINUTES_A_YEAR:.1f} min, z = {z:+.1f}"
        )


if __name__ == "__main__":
    main()
