"""The availability model as a target of sweeps, comparisons and sensitivity."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from pydantic import JsonValue

from architecture.design import Design
from simulator.availability import UptimeModel
from simulator.availability.accounts import settle
from simulator.availability.failover_means import FailoverMeans
from simulator.availability.long_run import Machine, simulate_plant
from simulator.availability.planned import planned_work
from simulator.availability.rates import YEAR_H, drawn, numbers_for
from simulator.availability.uptime import MEASURES, Replication
from simulator.streams import Streams

YEARS = 1000


@dataclass(frozen=True)
class AvailabilityTask:
    """``years`` of a design, with figures drawn once.

    Metrics: ``availability.<measure>`` (shares), ``downtime_min_per_year.total`` and
    ``downtime_min_per_year.by_cause.<cause>`` (planned work is the cause ``planned``).
    """

    design: Design
    failover: FailoverMeans
    years: int = YEARS

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        """Simulate with the streams of seed and replication."""
        return self.observe(Streams(seed, replication))

    def observe(self, streams: Streams) -> dict[str, float]:
        """Simulate with these streams."""
        model, value = self._model, drawn(streams)
        numbers = numbers_for(model.structure, model.failover, value)
        journal = simulate_plant(
            model.plant, numbers, horizon_h=self.years * YEAR_H, streams=streams,
            machine=Machine(model.plant, numbers),
        )  # fmt: skip
        causes = [unit.cause for unit in model.plant.units]
        accounts = settle(journal, causes, model.patience_h)
        return metrics_of(Replication(accounts, planned_work(self.design, value)))

    def __getstate__(self) -> dict[str, Any]:
        """Without the model, which holds what cannot be pickled and is quickly built again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _model(self) -> UptimeModel:
        return UptimeModel(self.design, self.failover)


@dataclass(frozen=True)
class AvailabilityTarget:
    """How much of the time a design serves; see :class:`AvailabilityTask`."""

    years: int = YEARS

    name: ClassVar[str] = "availability"
    shown: ClassVar[tuple[str, ...]] = (
        "availability.time_based", "availability.request_based", "downtime_min_per_year.total",
    )  # fmt: skip

    def task(self, design: Design) -> AvailabilityTask:
        """The availability of ``design``; its failovers are simulated once, here."""
        return AvailabilityTask(design, UptimeModel(design).failover, self.years)

    def identity(self, design: Design) -> dict[str, JsonValue]:  # noqa: ARG002
        """Years a replication."""
        return {"years": self.years}


def metrics_of(made: Replication) -> dict[str, float]:
    """One replication as flat metrics, named as :class:`AvailabilityTask` says."""
    metrics = {
        f"availability.{measure}": 1 - made.lost_h_per_year(measure) / YEAR_H
        for measure in MEASURES
    }
    by_cause = {
        cause: hours / made.accounts.years for cause, hours in made.accounts.by_cause_h.items()
    }
    metrics["downtime_min_per_year.total"] = 60 * made.lost_h_per_year("time_based")
    for cause, hours in {**by_cause, "planned": made.planned_h}.items():
        metrics[f"downtime_min_per_year.by_cause.{cause}"] = 60 * hours
    return metrics
