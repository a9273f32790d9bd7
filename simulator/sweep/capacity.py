"""The capacity model as a target of sweeps, comparisons and sensitivity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pydantic import JsonValue

from architecture.design import Design
from simulator.figures import Figures, figures_for
from simulator.hospital import Replication, Scenario, run_replication
from simulator.step_times import StepTimesRange
from simulator.streams import Streams

UNDISTURBED = Scenario()


@dataclass(frozen=True)
class CapacityTask:
    """One replication of :func:`simulator.hospital.simulate`.

    Metrics: ``journeys.<operation>.latency_s.mean|p50|p95|p99``,
    ``journeys.<operation>.throughput_per_s``, ``journeys.chat.time_to_first_token_s.…``,
    ``stations.<name>.utilisation|wait_s|queue_length``, ``machines.<site>.…`` (bytes and shares),
    ``utilisation`` (of the busiest station) and ``answered_share`` (of the attempts that ended).
    """

    design: Design
    figures: Figures
    scenario: Scenario

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        """Simulate with the streams of seed and replication."""
        return self.observe(Streams(seed, replication))

    def observe(self, streams: Streams) -> dict[str, float]:
        """Simulate with these streams."""
        return metrics_of(run_replication(self.design, self.figures, self.scenario, streams))


@dataclass(frozen=True)
class CapacityTarget:
    """How fast and how busy a design is; see :class:`CapacityTask`.

    Attributes:
        scenario: How long, and what is played; the users are those of each design.
        step_times: Measured ones of the language model; the catalogue's by default.
    """

    scenario: Scenario = UNDISTURBED
    step_times: StepTimesRange | None = None

    name: ClassVar[str] = "capacity"
    shown: ClassVar[tuple[str, ...]] = ("journeys.*.latency_s.p95", "utilisation", "answered_share")

    def task(self, design: Design) -> CapacityTask:
        """The capacity of ``design``.

        Raises:
            InputError: when the catalogue lacks a figure.
        """
        return CapacityTask(design, self._figures(design), self.scenario)

    def identity(self, design: Design) -> dict[str, JsonValue]:
        """Scenario and figures."""
        figures: JsonValue = self._figures(design).model_dump(mode="json")
        return {"scenario": repr(self.scenario), "figures": figures}

    def _figures(self, design: Design) -> Figures:
        return figures_for(design, step_times=self.step_times)


def metrics_of(made: Replication) -> dict[str, float]:
    """One replication as flat metrics, named as :class:`CapacityTask` says."""
    metrics: dict[str, float] = {}
    for operation, latency in made.latency.items():
        for statistic, value in latency.items():
            metrics[f"journeys.{operation}.latency_s.{statistic}"] = value
        metrics[f"journeys.{operation}.throughput_per_s"] = made.throughput_per_s[operation]
    if "chat" in made.latency:
        for statistic, value in made.first_token.items():
            metrics[f"journeys.chat.time_to_first_token_s.{statistic}"] = value
    for kind, found in (("stations", made.stations), ("machines", made.machines)):
        for name, measures in found.items():
            for measure, value in measures.items():
                metrics[f"{kind}.{name}.{measure}"] = value
    metrics["utilisation"] = max(measures["utilisation"] for measures in made.stations.values())
    counts = made.counts
    metrics["answered_share"] = counts.completed / counts.ended if counts.ended else math.nan
    return metrics
