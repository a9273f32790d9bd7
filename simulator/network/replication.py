"""One replication of a network: plain numbers by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from architecture.station_network import StationNetwork
from simulator.network.build import Running
from simulator.network.customers import ClassCount
from simulator.stations import Clock, Component, Tally
from simulator.statistics import TAIL_QUANTILES
from simulator.streams import Streams

STATISTICS = ("mean", *TAIL_QUANTILES)
OUTCOMES = ("completed", "balked", "blocked", "reneged", "timed_out", "lost")


@dataclass(frozen=True)
class NetworkTask:
    """A replication to be made anywhere: a task of :mod:`simulator.replications`.

    Attributes:
        network: What is simulated.
        duration_s: Observed time.
        warmup_s: Time before that is not observed.
    """

    network: StationNetwork
    duration_s: float
    warmup_s: float

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        """Numbers by metric; NaN where nothing was observed.

        Of each class ``journeys.NAME``: ``latency_s.mean`` … ``latency_s.p999``,
        ``latency_s.count``, ``throughput_per_s``, and ``outcomes.…`` as shares of those who left.
        Of each station ``stations.NAME``: ``utilisation``, ``queue_length``, ``wait_s``,
        ``in_station``, ``throughput_per_s``, ``sojourn_s.mean`` … ``sojourn_s.count``.

        Raises:
            ConservationError: when the model loses or invents a customer.
        """
        env = Clock()
        running = Running(env, self.network, Streams(seed, replication))
        if self.warmup_s > 0:
            env.run(until=self.warmup_s)
            running.forget()
        before = {name: _outcomes(count) for name, count in running.classes.items()}
        env.run(until=self.warmup_s + self.duration_s)
        running.check_conservation()
        metrics: dict[str, float] = {}
        for name, count in running.classes.items():
            metrics |= self._of_class(f"journeys.{name}", count, before[name])
        for name, station in running.stations.items():
            sojourn_s = running.sojourns[name]
            metrics |= self._of_station(f"stations.{name}", station, sojourn_s)
        return metrics

    def _of_class(self, prefix: str, count: ClassCount, before: dict[str, int]) -> dict[str, float]:
        gone = {how: number - before[how] for how, number in _outcomes(count).items()}
        total = sum(gone.values())
        return {
            **_summary(f"{prefix}.latency_s", count.latency_s),
            f"{prefix}.throughput_per_s": gone["completed"] / self.duration_s,
            **{
                f"{prefix}.outcomes.{how}": number / total if total else math.nan
                for how, number in gone.items()
            },
        }

    def _of_station(self, prefix: str, station: Component, sojourn_s: Tally) -> dict[str, float]:
        measures = station.snapshot()
        return {
            f"{prefix}.utilisation": measures.utilisation,
            f"{prefix}.queue_length": measures.queue_length,
            f"{prefix}.wait_s": measures.wait_s if measures.customers else math.nan,
            f"{prefix}.throughput_per_s": sojourn_s.count / self.duration_s,
            **_summary(f"{prefix}.sojourn_s", sojourn_s),
        }


def inside_over_time(
    network: StationNetwork, seed: int, replication: int, *, duration_s: float, points: int
) -> npt.NDArray[np.float64]:
    """Customers in the network at ``points`` equally spaced times, the last at ``duration_s``.

    In a closed class those who think are not counted.
    """
    env = Clock()
    running = Running(env, network, Streams(seed, replication))
    seen = []
    for point in range(1, points + 1):
        env.run(until=duration_s * point / points)
        seen.append(sum(count.inside for count in running.classes.values()))
    return np.asarray(seen, dtype=float)


def _summary(prefix: str, tally: Tally) -> dict[str, float]:
    quantiles = tally.quantiles(list(TAIL_QUANTILES.values()))
    values = (tally.mean, *quantiles)
    return {
        **{f"{prefix}.{name}": value for name, value in zip(STATISTICS, values, strict=True)},
        f"{prefix}.count": float(tally.count),
    }


def _outcomes(count: ClassCount) -> dict[str, int]:
    return {how: getattr(count, how) for how in OUTCOMES}
