"""Rare events: simulate failures more often than they come, and weigh what is seen accordingly.

A chain's unavailability is a ratio over regenerative cycles from the state where all is well:
mean time down in a cycle by mean length of a cycle. Cycles without any double failure teach nothing
about the first; so in them failures are given half of all chances, each failure the same (balanced
failure biasing, Shahabuddin, Management Science 40, 1994), until the system is down for the first
time. Each cycle's time is weighted by its likelihood ratio. The length of a cycle needs no
biasing, and is estimated from cycles of its own (measure-specific dynamic importance sampling,
Goyal et al., IEEE Transactions on Computers 41, 1992). The time spent in each state is replaced by
its mean (discrete-time conversion: Hordijk, Iglehart & Schassberger, 1976).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from evidence import Estimate
from simulator.availability.chain import Chain
from simulator.availability.plant import Numbers

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BIAS = 0.5
MAX_STEPS = 100_000


@dataclass(frozen=True)
class _Table:
    """Embedded jumps, one row a state: targets, cumulated chances of both measures, their ratio."""

    target: IntArray
    chance: FloatArray
    biased: FloatArray
    ratio: FloatArray
    stay_h: FloatArray
    down: npt.NDArray[np.bool_]


def unavailability(
    chain: Chain, numbers: Numbers, *, cycles: int, seed: int, confidence: float = 0.95,
    bias: float = BIAS,
) -> Estimate:  # fmt: skip
    """Estimate a chain's unavailability; ``n`` counts cycles, half of them biased.

    The interval is the delta method's for a ratio of two independent means.

    Args:
        chain: All is well in its first state.
        numbers: Its figures.
        cycles: Regenerative cycles in all, at least four.
        seed: Of the jumps.
        confidence: Of the interval.
        bias: Chance that failures are given together; 0 switches the technique off.
    """
    table = _table(chain, numbers, bias)
    generator = np.random.default_rng(seed)
    half = cycles // 2
    down_h = _cycles(table, generator, half, biased=bias > 0)[0]
    length_h = _cycles(table, generator, cycles - half, biased=False)[1]
    mean_down, mean_length = float(down_h.mean()), float(length_h.mean())
    ratio = mean_down / mean_length
    variance = (
        down_h.var(ddof=1) / len(down_h) + ratio**2 * length_h.var(ddof=1) / len(length_h)
    ) / mean_length**2
    spread = stats.norm.ppf((1 + confidence) / 2) * math.sqrt(variance)
    return Estimate(
        estimate=ratio, lower=max(ratio - spread, 0.0), upper=ratio + spread,
        confidence=confidence, n=cycles,
    )  # fmt: skip


def _table(chain: Chain, numbers: Numbers, bias: float) -> _Table:
    rates = chain.rates(numbers)
    size = len(chain.states)
    order = np.argsort(chain.source, kind="stable")
    degree = np.bincount(chain.source, minlength=size)
    width = int(degree.max())
    column = np.concatenate([np.arange(count) for count in degree])
    row = chain.source[order]
    rate, target = np.zeros((size, width)), np.zeros((size, width), dtype=np.int64)
    failure = np.zeros((size, width), dtype=bool)
    fails = np.array([kind == "fail" for kind, _ in chain.rate_names])
    rate[row, column] = rates[order]
    target[row, column] = chain.target[order]
    failure[row, column] = fails[chain.rate_of[order]]
    out = rate.sum(axis=1)
    chance = rate / np.where(out > 0, out, 1.0)[:, None]
    biased = _biased(chance, failure & (rate > 0), bias)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(biased > 0, chance / biased, 0.0)
    return _Table(
        target=target,
        chance=np.cumsum(chance, axis=1),
        biased=np.cumsum(biased, axis=1),
        ratio=ratio,
        stay_h=1 / np.where(out > 0, out, np.inf),
        down=np.array([not level.full for level in chain.levels]),
    )


def _biased(chance: FloatArray, failure: npt.NDArray[np.bool_], bias: float) -> FloatArray:
    """Failures get ``bias`` together, alike; in states with nothing else to come they get all."""
    others = np.where(failure, 0.0, chance)
    rest = others.sum(axis=1, keepdims=True)
    count = failure.sum(axis=1, keepdims=True)
    share = np.where(rest > 0, bias, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.where(failure, share / count, 0.0)
        found: FloatArray = spread + np.where(rest > 0, others / rest * (1 - share), 0.0)
    unchanged = (count == 0) | (bias <= 0)
    return np.where(unchanged, chance, found)


def _cycles(
    table: _Table, generator: np.random.Generator, count: int, *, biased: bool
) -> tuple[FloatArray, FloatArray]:
    """Weighted hours down and hours in all of many cycles at once."""
    state = np.zeros(count, dtype=np.int64)
    weight = np.ones(count)
    down_h, length_h = np.zeros(count), np.zeros(count)
    eager = np.full(count, biased)
    running = np.arange(count)
    for _ in range(MAX_STEPS):
        at = state[running]
        stay = table.stay_h[at] * weight[running]
        length_h[running] += stay
        down_h[running] += np.where(table.down[at], stay, 0.0)
        eager[running] &= ~table.down[at]
        pushed = eager[running]
        cumulated = np.where(pushed[:, None], table.biased[at], table.chance[at])
        dice = generator.random(len(running)) * cumulated[:, -1]
        taken = (cumulated <= dice[:, None]).sum(axis=1)
        weight[running] *= np.where(pushed, table.ratio[at, taken], 1.0)
        state[running] = table.target[at, taken]
        running = running[state[running] != 0]
        if not len(running):
            return down_h, length_h
    raise RuntimeError(f"cycles do not end within {MAX_STEPS} steps")
