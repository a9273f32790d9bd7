"""A network of queueing stations of the user's own: the schema of its YAML file.

Times are seconds, rates are per second. How the file is written: docs/station-networks.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from architecture.errors import misplaced
from architecture.values import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Name,
    NonNegative,
    Positive,
    Share,
    Strict,
    Uniform,
)

KIND = "station-network"
Discipline = Literal["fifo", "ps", "priority", "priority-preemptive", "delay", "batch"]
Routing = dict[Name, Share]

# Probabilities in a file are decimal fractions: their sum may miss 1 by rounding.
ROUNDING = 1e-9


class Trace(Strict):
    """Resampling from the values in a column of a CSV or Parquet file beside the network's."""

    kind: Literal["trace"]
    file: str = Field(min_length=1, description="path, relative to the network's file")
    column: str = Field(min_length=1)


Times = Annotated[
    Constant | Exponential | Lognormal | Gamma | Uniform | Empirical | Trace,
    Field(discriminator="kind"),
]


def _always_zero(times: Times) -> bool:
    return not isinstance(times, Trace) and times.mean == 0


class PoissonArrivals(Strict):
    """Arrivals at a constant rate, independent of each other."""

    kind: Literal["poisson"]
    rate_per_s: Positive


class RenewalArrivals(Strict):
    """Independent gaps between arrivals."""

    kind: Literal["renewal"]
    gap_s: Times

    @model_validator(mode="after")
    def _time_goes_on(self) -> Self:
        if _always_zero(self.gap_s):
            raise misplaced("gap_s", "without gaps, customers without end arrive at once")
        return self


class ProfileArrivals(Strict):
    """Poisson arrivals whose rate changes every ``step_s``; after the last it begins anew."""

    kind: Literal["profile"]
    step_s: Positive
    rates_per_s: tuple[NonNegative, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _some_arrive(self) -> Self:
        if not any(self.rates_per_s):
            raise misplaced("rates_per_s", "nobody would ever arrive", "at least one positive rate")
        return self


class TraceArrivals(Strict):
    """Arrivals at recorded times (seconds from the beginning), which must not decrease."""

    kind: Literal["trace"]
    file: str = Field(min_length=1, description="path, relative to the network's file")
    column: str = Field(min_length=1)


class ListedArrivals(Strict):
    """Arrivals at these times (seconds from the beginning), which must not decrease."""

    kind: Literal["listed"]
    times_s: tuple[NonNegative, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(later < earlier for earlier, later in zip(self.times_s, self.times_s[1:])):  # noqa: B905
            raise misplaced("times_s", "arrival times must not decrease")
        return self


Arrivals = Annotated[
    PoissonArrivals | RenewalArrivals | ProfileArrivals | TraceArrivals | ListedArrivals,
    Field(discriminator="kind"),
]


class CustomerClass(Strict):
    """Customers who are alike: open (they arrive) or closed (a population that thinks)."""

    title: str = ""
    arrivals: Arrivals | None = None
    group_size: Times | None = Field(
        default=None, description="customers that arrive together, rounded to at least 1"
    )
    population: int | None = Field(default=None, ge=1, le=1_000_000)
    think_s: Times | None = None
    priority: int = Field(default=0, description="the lowest number is served first")
    timeout_s: Positive | None = Field(
        default=None,
        description="after so long it leaves the queue it is in, or after the service it is in",
    )
    starts_at: Routing = Field(min_length=1, description="first station, with probabilities")
    routing: dict[Name, Routing] = Field(
        default={}, description="from a station to the next; what is left to 1 leaves"
    )

    @model_validator(mode="after")
    def _open_or_closed(self) -> Self:
        if (self.arrivals is None) == (self.population is None):
            raise misplaced(
                "arrivals", "a class is open or closed",
                "either 'arrivals' (open) or 'population' with 'think_s' (closed)",
            )  # fmt: skip
        if (self.population is None) != (self.think_s is None):
            raise misplaced("think_s", "goes together with 'population'")
        if self.think_s is not None and _always_zero(self.think_s):
            raise misplaced("think_s", "who never thinks may come back without end at once")
        if self.group_size is not None and self.arrivals is None:
            raise misplaced("group_size", "is for classes with 'arrivals'")
        return self

    @model_validator(mode="after")
    def _probabilities(self) -> Self:
        total = sum(self.starts_at.values())
        if abs(total - 1) > ROUNDING:
            raise misplaced(
                "starts_at", f"probabilities sum to {total:g}", "a sum of exactly 1"
            )  # fmt: skip
        for station, targets in self.routing.items():
            total = sum(targets.values())
            if total > 1 + ROUNDING:
                raise misplaced(
                    f"routing.{station}", f"probabilities sum to {total:g}",
                    "a sum of at most 1; what is left to 1 leaves the network",
                )  # fmt: skip
        return self

    def reachable(self) -> tuple[str, ...]:
        """Stations a customer can come to, in the order in which they are found."""
        found = [name for name, share in self.starts_at.items() if share > 0]
        for name in found:
            targets = self.routing.get(name, {})
            found += [to for to, share in targets.items() if share > 0 and to not in found]
        return tuple(found)


class Balking(Strict):
    """An arrival that finds ``at_queue`` or more waiting goes away with ``probability``."""

    at_queue: int = Field(ge=0)
    probability: Share = 1.0


class StationSpec(Strict):
    """One station. Without ``capacity`` its queue has no end."""

    title: str = ""
    discipline: Discipline = "fifo"
    servers: int = Field(default=1, ge=1, le=100_000)
    capacity: int | None = Field(
        default=None, ge=1, description="customers waiting and in service at most"
    )
    service_s: Times | None = Field(default=None, description="for every class")
    service_s_by_class: dict[Name, Times] = Field(default={}, description="instead, for a class")
    patience_s: Times | None = Field(default=None, description="how long a customer waits")
    balking: Balking | None = None
    batch_size: int | None = Field(default=None, ge=1, description="customers served together")
    batch_time: Literal["longest", "first"] | None = Field(
        default=None, description="a batch takes as long as its longest, or as its first, customer"
    )

    @model_validator(mode="after")
    def _keys_of_the_discipline(self) -> Self:
        if (self.discipline == "batch") != (self.batch_size is not None):
            raise misplaced("batch_size", "goes together with 'discipline: batch'")
        for key in _MEANINGLESS[self.discipline]:
            if key in self.model_fields_set and getattr(self, key) is not None:
                raise misplaced(key, f"means nothing for 'discipline: {self.discipline}'")
        if self.capacity is not None and self.capacity < self.servers:
            raise misplaced(
                "capacity", f"{self.capacity} is less than the {self.servers} servers",
                f"at least {self.servers}, since those in service are counted too",
            )  # fmt: skip
        return self

    def service_of(self, name: str) -> Times | None:
        """Service time of a class."""
        return self.service_s_by_class.get(name, self.service_s)


_MEANINGLESS: dict[Discipline, tuple[str, ...]] = {
    "fifo": ("batch_time",),
    "priority": ("batch_time",),
    "priority-preemptive": ("batch_time",),
    "ps": ("batch_time", "patience_s"),
    "delay": ("batch_time", "patience_s", "servers", "capacity", "balking"),
    "batch": (),
}
