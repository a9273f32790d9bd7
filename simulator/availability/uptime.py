"""A design's uptime: many simulated years, several replications, what is unsure and what is chance.

Measures, each a share of time or of something that happens over time:

- ``time_based``: everybody has every function. The emergency mode and the loss of any one function
  count as down;
- ``with_emergency``: something answers a look-up, the cloud's emergency mode included;
- ``request_based``: requests that are served in the end, retries included;
- ``capacity_weighted``: share of users times share of functions: an emergency for 50 of 200 users
  with 25 % of the functions counts 6 % (D-11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from architecture.design import Design
from simulator.availability.accounts import Accounts, settle
from simulator.availability.failover_means import FailoverMeans, failover_means
from simulator.availability.hospital import Hospital
from simulator.availability.long_run import Machine, simulate_plant
from simulator.availability.planned import PlannedWork, planned_work
from simulator.availability.rates import (
    SECOND_H,
    YEAR_H,
    Value,
    drawn,
    numbers_for,
    typical,
)
from simulator.availability.structure import Structure
from simulator.streams import Streams

FloatArray = npt.NDArray[np.float64]
Inputs = Literal["drawn", "typical"]
Progress = Callable[[str], None]

MEASURES = ("time_based", "with_emergency", "request_based", "capacity_weighted")
YEARS = 10_000
REPLICATIONS = 50


@dataclass(frozen=True)
class Replication:
    """One horizon with one set of figures: unplanned accounts and a year of planned work."""

    accounts: Accounts
    planned: tuple[PlannedWork, ...]

    @property
    def planned_h(self) -> float:
        """Planned downtime a year."""
        return sum(work.downtime_h for work in self.planned)

    def lost_h_per_year(self, measure: str) -> float:
        """Hours a year that a measure lacks of 1, planned work included."""
        accounts = self.accounts
        unplanned = {
            "time_based": float(accounts.yearly_h.mean()),
            "with_emergency": accounts.silent_h / accounts.years,
            "request_based": accounts.requests_h / accounts.years,
            "capacity_weighted": accounts.capacity_h / accounts.years,
        }[measure]
        requests_h = sum(work.requests_h for work in self.planned)
        return unplanned + (requests_h if measure == "request_based" else self.planned_h)

    @property
    def yearly_h(self) -> FloatArray:
        """Downtime of each year, planned work included."""
        yearly: FloatArray = self.accounts.yearly_h + self.planned_h
        return yearly


class UptimeModel:
    """A design made ready to be simulated: its plant and what its failovers take."""

    def __init__(self, design: Design, failover: FailoverMeans | None = None) -> None:
        self.design = design
        self.structure = Structure(design)
        self.plant = Hospital(self.structure)
        self.failover = failover or failover_means(self.structure)

    @property
    def patience_h(self) -> float:
        """How long a client keeps trying at the least: when each attempt fails at once.

        The pauses between its attempts, summed; jitter averages out.
        """
        client = self.design.workload.client
        pauses_s = (
            min(client.retry_backoff_s * client.retry_multiplier**n, client.retry_backoff_max_s)
            for n in range(client.attempts - 1)
        )
        return sum(pauses_s) * SECOND_H

    def replication(
        self, number: int, *, years: float, seed: int, inputs: Inputs,
        perfect: frozenset[str] = frozenset(),
    ) -> Replication:  # fmt: skip
        """Simulate one horizon.

        Args:
            number: Which replication; it meets the same luck in every design and variant.
            years: Its horizon.
            seed: Of all randomness.
            inputs: Whether uncertain figures are drawn for it, or typical.
            perfect: Causes that never fail in it.
        """
        value: Value = drawn(Streams(seed, number)) if inputs == "drawn" else typical
        numbers = numbers_for(self.structure, self.failover, value)
        if perfect:
            kept = [
                replace(life, mean_h=float("inf")) if unit.cause in perfect else life
                for life, unit in zip(numbers.failure, self.plant.units, strict=True)
            ]
            numbers = replace(numbers, failure=tuple(kept))
        journal = simulate_plant(
            self.plant, numbers, horizon_h=years * YEAR_H, streams=Streams(seed, number),
            machine=Machine(self.plant, numbers),
        )  # fmt: skip
        causes = [unit.cause for unit in self.plant.units]
        accounts = settle(journal, causes, self.patience_h)
        return Replication(accounts, planned_work(self.design, value))


def simulate_uptime(
    design: Design, *, years: int = YEARS, replications: int = REPLICATIONS, seed: int = 1,
    inputs: Inputs = "drawn", model: UptimeModel | None = None, progress: Progress | None = None,
) -> list[Replication]:  # fmt: skip
    """Simulate ``years`` in all, shared out among independent replications.

    Args:
        design: What is simulated.
        years: In all; each replication gets an equal part, at least one year.
        replications: Independent horizons, each with figures of its own when ``inputs`` are drawn.
        seed: Same seed, same result.
        inputs: ``typical`` leaves out what is unsure about the figures.
        model: Of the design, if there is one already.
        progress: Told now and then.

    Raises:
        ValueError: when there is less than a year for each of at least two replications.
    """
    if replications < 2 or years < replications:  # noqa: PLR2004
        raise ValueError(f"2 ≤ replications ≤ years is required, got {replications} and {years}")
    ready = model or UptimeModel(design)
    found = []
    for number in range(replications):
        if progress is not None and number % 10 == 0:
            progress(f"simulated {number * years // replications} of {years} years")
        found.append(
            ready.replication(number, years=years // replications, seed=seed, inputs=inputs)
        )
    return found
