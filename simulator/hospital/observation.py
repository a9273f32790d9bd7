"""What is kept of a run: exact values of a short one, histograms and minutes of a day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from simpy import Environment, Event, Timeout

from simulator.hospital.clinicians import Population
from simulator.hospital.plant import Plant
from simulator.statistics import QUANTILES, summarise

MINUTE_S = 60.0

# Histogram bins are half a per cent wide, from a tenth of a millisecond to three hours.
SHORTEST_S = 1e-4
GROWTH = math.log(1.005)
BINS = 3700
# numpy counts many values at once for the price of a few.
AT_ONCE = 4096


class LatencyHistogram:
    """Counts in bins of half a per cent: quantiles within a quarter of a per cent, memory fixed."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._counts = np.zeros(BINS, dtype=np.int64)
        self._uncounted: list[float] = []

    def add(self, values_s: Sequence[float]) -> None:
        """Count some latencies, or keep them until there are enough to count at once."""
        self._uncounted += values_s
        if len(self._uncounted) >= AT_ONCE:
            self._count()

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Latencies by bin."""
        if self._uncounted:
            self._count()
        return self._counts

    def _count(self) -> None:
        data = np.asarray(self._uncounted)
        self._uncounted = []
        bins = np.log(np.maximum(data, SHORTEST_S) / SHORTEST_S) / GROWTH
        places = np.minimum(bins.astype(np.int64), BINS - 1)
        self._counts += np.bincount(places, minlength=BINS)
        self.total_s += float(data.sum())

    @property
    def n(self) -> int:
        """Latencies counted."""
        return int(self.counts.sum())

    def quantile_s(self, quantile: float) -> float:
        """The latency below which a share ``quantile`` lies; NaN when nothing was counted."""
        counts = self.counts
        if not counts.any():
            return math.nan
        place = int(np.searchsorted(np.cumsum(counts), quantile * counts.sum()))
        return SHORTEST_S * math.exp((min(place, BINS - 1) + 0.5) * GROWTH)

    def summary(self) -> dict[str, float]:
        """Mean and the usual quantiles, as :func:`simulator.statistics.summarise` gives them."""
        n = self.n
        if not n:
            return summarise([])
        found = {name: self.quantile_s(level) for name, level in QUANTILES.items()}
        return {"mean": self.total_s / n, **found}


@dataclass(frozen=True)
class Observed:
    """Of one operation: latencies' summary, first tokens' summary, how many answers."""

    latency: dict[str, float]
    first_token: dict[str, float]
    completed: int


class Timeline:
    """Looks once a minute: what was answered, how fast, what failed, how busy stations were.

    The answers of a minute are counted in histograms and then dropped, so memory does not grow with
    the requests (one row a minute and operation is kept).
    """

    def __init__(self, env: Environment, population: Population, plant: Plant) -> None:
        self._env = env
        self._population = population
        self._plant = plant
        self._latency: dict[str, LatencyHistogram] = {}
        self._first: dict[str, LatencyHistogram] = {}
        self._rows: list[tuple[int, str, int, float, float]] = []
        self._minutes: list[dict[str, Any]] = []
        self._failed = 0
        self._arrived = 0
        self._busy: dict[str, tuple[float, float]] = {}
        Timeout(env, MINUTE_S).callbacks.append(self._look)

    def forget(self) -> None:
        """Start anew: the end of the warm-up."""
        self._latency, self._first = {}, {}
        self._rows, self._minutes = [], []
        self._busy = {}

    def observed(self, operation: str) -> Observed:
        """Everything seen of an operation since the last :meth:`forget`."""
        latency = self._latency.get(operation, LatencyHistogram())
        first = self._first.get(operation, LatencyHistogram())
        return Observed(latency.summary(), first.summary(), latency.n)

    def operations_table(self) -> pd.DataFrame:
        """Columns minute, operation, completed, mean_s, p95_s."""
        columns = ["minute", "operation", "completed", "mean_s", "p95_s"]
        return pd.DataFrame(self._rows, columns=columns)

    def minutes_table(self) -> pd.DataFrame:
        """Columns minute, on_duty, waiting, arrived, failed, nodes, busiest, utilisation."""
        columns = [
            "minute", "on_duty", "waiting", "arrived", "failed", "nodes", "busiest", "utilisation",
        ]  # fmt: skip
        return pd.DataFrame(self._minutes, columns=columns)

    def close(self) -> None:
        """Note the last minute, which ends with the simulation."""
        self._gather()
        self._note_minute()

    def _look(self, _event: Event) -> None:
        self._gather()
        self._note_minute()
        Timeout(self._env, MINUTE_S).callbacks.append(self._look)

    def _gather(self) -> None:
        minute = math.ceil(self._env.now / MINUTE_S)
        for operation, answers in self._population.answers.items():
            values = answers.latency_s
            if not values:
                continue
            self._latency.setdefault(operation, LatencyHistogram()).add(values)
            values.sort()
            n = len(values)
            tail_s = values[math.ceil(0.95 * n) - 1]
            self._rows.append((minute, operation, n, sum(values) / n, tail_s))
            values.clear()
            if answers.first_token_s:
                self._first.setdefault(operation, LatencyHistogram()).add(answers.first_token_s)
                answers.first_token_s.clear()

    def _note_minute(self) -> None:
        counts, population, plant = self._population.counts, self._population, self._plant
        failed = counts.timed_out + counts.refused + counts.declined + counts.abandoned
        busiest, most = "", -1.0
        for name, measures in plant.snapshots().items():
            busy_s, elapsed_s = self._busy.get(name, (0.0, 0.0))
            passed_s = measures.elapsed_s - elapsed_s
            share = (measures.busy_s - busy_s) / passed_s if passed_s > 0.0 else 0.0
            self._busy[name] = (measures.busy_s, measures.elapsed_s)
            if share > most:
                busiest, most = name, share
        self._minutes.append(
            {
                "minute": math.ceil(self._env.now / MINUTE_S), "on_duty": population.on_duty,
                "waiting": population.waiting, "arrived": counts.arrived - self._arrived,
                "failed": failed - self._failed,
                "nodes": plant.autoscaler.nodes if plant.autoscaler is not None else 0,
                "busiest": busiest, "utilisation": most,
            }
        )  # fmt: skip
        self._failed, self._arrived = failed, counts.arrived
