"""What findings are computed with: the design under test, its variants, and the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from architecture import Design, load_design
from evidence import Estimate
from evidence.estimate import mean_interval
from simulator.availability.uptime import UptimeModel, simulate_uptime
from simulator.failover import FaultName, failover_samples
from simulator.findings.finding import Figure
from simulator.statistics import central

FloatArray = npt.NDArray[np.float64]

#: B-04's checks with HAProxy's own defaults for the rest, Patroni's default lease, and nothing that
#: ends a dead primary's lease early: what the documents say, and no more (D-03).
LITERAL_CHECKS = (
    "edge.api_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
    "edge.database_check={interval_s: 5, timeout_s: 2, fall: 3, rise: 2}",
)
LITERAL_LEASE = (
    "database.lease={ttl_s: 30, loop_wait_s: 10, retry_timeout_s: 10}",
    "database.failure_detector=null",
)
MINUTES = 60.0
CONFIDENCE = 0.95


@dataclass
class Inquiry:
    """One round of findings on one design. Same seed, same figures.

    Attributes:
        design_name: The design under test, in which the mends are made; or a file.
        overrides: Keys changed in it.
        seed: Of all simulations.
        failovers: Simulated faults of each kind.
        years: Simulated years of each design.
        horizons: Independent parts of those years; their spread gives the intervals.
    """

    design_name: str = "dual-m3-ultra"
    overrides: Sequence[str] = ()
    seed: int = 1
    failovers: int = 400
    years: int = 5000
    horizons: int = 10
    _uptimes: dict[str, FloatArray] = field(default_factory=dict, init=False)

    @property
    def design(self) -> Design:
        """The design under test."""
        return self.variant()

    def variant(self, *overrides: str) -> Design:
        """The design under test with keys changed."""
        return load_design(self.design_name, [*self.overrides, *overrides])

    def outages_s(self, design: Design, fault: FaultName, operation: str = "write") -> FloatArray:
        """Simulated outages of an operation after a fault, seconds."""
        samples = failover_samples(
            design, seed=self.seed, replications=self.failovers, faults=[fault]
        )
        found: FloatArray = samples.loc[samples["operation"] == operation, "outage_s"].to_numpy()
        return found

    def outage(self, what: str, design: Design, fault: FaultName, operation: str) -> Figure:
        """Median and central 95 % of simulated outages."""
        value = central(self.outages_s(design, fault, operation), CONFIDENCE)
        return Figure(what=what, value=value, unit="s")

    def downtime(self, what: str, design: Design, measure: str = "time_based") -> Figure:
        """Expected minutes a year that ``measure`` lacks of 1, planned work included."""
        return Figure(
            what=what, value=self._interval(self._minutes(design, measure)), unit="min/year"
        )

    def difference(
        self, what: str, design: Design, other: Design, measure: str = "time_based"
    ) -> Figure:
        """How many minutes a year ``design`` is down more than ``other``, under the same luck."""
        more = self._minutes(design, measure) - self._minutes(other, measure)
        return Figure(what=what, value=self._interval(more), unit="min/year")

    def _interval(self, values: FloatArray) -> Estimate:
        return mean_interval(values, CONFIDENCE)

    def _minutes(self, design: Design, measure: str) -> FloatArray:
        key = f"{design.model_dump_json()} {measure}"
        if key not in self._uptimes:
            replications = simulate_uptime(
                design, years=self.years, replications=self.horizons, seed=self.seed,
                inputs="typical", model=UptimeModel(design),
            )  # fmt: skip
            for name in ("time_based", "with_emergency", "request_based", "capacity_weighted"):
                self._uptimes[f"{design.model_dump_json()} {name}"] = np.array(
                    [found.lost_h_per_year(name) * MINUTES for found in replications]
                )
        return self._uptimes[key]
