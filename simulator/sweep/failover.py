"""The failover model as a target of sweeps and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import JsonValue

from architecture.design import Design
from architecture.errors import InputError
from simulator.failover import FaultName, failover_samples, faults_of

# Two hundred, so that the p95 of each replication has ten outages beyond it.
TRIALS = 200
FAULTS: tuple[FaultName, ...] = ("primary-power-loss", "primary-crash")


@dataclass(frozen=True)
class FailoverTask:
    """``trials`` simulated faults of each kind.

    Metrics: ``<fault>.<operation>.outage_s.p50|p95|max`` and ``<fault>.<operation>.endless_share``.
    Quantiles are observed values, infinite when so many outages have no end.
    """

    design: Design
    trials: int = TRIALS
    faults: tuple[FaultName, ...] = FAULTS

    def __call__(self, seed: int, replication: int, /) -> dict[str, float]:
        """Simulate."""
        [drawn] = np.random.SeedSequence(seed, spawn_key=(replication,)).generate_state(1)
        samples = failover_samples(
            self.design, seed=int(drawn), replications=self.trials, faults=self.faults
        )
        metrics: dict[str, float] = {}
        for (fault, operation), rows in samples.groupby(["fault", "operation"]):
            outage_s = rows["outage_s"].to_numpy(dtype=float)
            levels = np.quantile(outage_s, [0.5, 0.95, 1.0], method="inverted_cdf")
            for level, value in zip(("p50", "p95", "max"), levels, strict=True):
                metrics[f"{fault}.{operation}.outage_s.{level}"] = float(value)
            metrics[f"{fault}.{operation}.endless_share"] = float(np.isinf(outage_s).mean())
        return metrics


@dataclass(frozen=True)
class FailoverTarget:
    """How long a fault keeps clients out; see :class:`FailoverTask`."""

    trials: int = TRIALS
    faults: tuple[FaultName, ...] = FAULTS

    name: ClassVar[str] = "failover"
    shown: ClassVar[tuple[str, ...]] = ("*.write.outage_s.*", "*.write.endless_share")

    def task(self, design: Design) -> FailoverTask:
        """The failover of ``design``.

        Raises:
            InputError: when one of the faults cannot strike it.
        """
        possible = faults_of(design)
        for fault in self.faults:
            if fault not in possible:
                raise InputError(
                    f"'{fault}' cannot strike design {design.name}", where="fault",
                    allowed=", ".join(possible),
                )  # fmt: skip
        return FailoverTask(design, self.trials, self.faults)

    def identity(self, design: Design) -> dict[str, JsonValue]:  # noqa: ARG002
        """Faults, and trials a replication."""
        return {"trials": self.trials, "faults": list(self.faults)}
