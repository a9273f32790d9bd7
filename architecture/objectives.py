"""Objectives: promises made measurable, each with the requirement it comes from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from architecture.values import NonNegative, Strict
from architecture.workload import RequestName

Fault = Literal[
    "primary-power-loss", "primary-crash", "primary-hang", "primary-partition", "switchover",
    "standby-power-loss", "both-power-loss", "site-loss",
]  # fmt: skip

Metric = Literal[
    "rto_s", "rpo_s", "lost_writes", "latency_s", "time_to_first_token_s", "replication_lag_s",
    "availability",
]  # fmt: skip

FAULT_METRICS = frozenset({"rto_s", "rpo_s", "lost_writes"})
LATENCY_METRICS = frozenset({"latency_s", "time_to_first_token_s"})


class Objective(Strict):
    """One promise: a metric, a bound and the circumstances it is promised for.

    A fault's objective speaks of *every* such fault: one counterexample refutes it, and it is held
    only after so many straight passes that 95 % of faults are within the bound at 95 % confidence.
    """

    id: str = Field(pattern=r"^[A-Z]{1,4}-\d\d(\.[a-z0-9-]+)*$")
    title: str
    metric: Metric
    fault: Fault | None = None
    operation: Literal[RequestName, "read", "write"] | None = None
    quantile: float | None = Field(default=None, gt=0, lt=1)
    at_most: NonNegative | None = None
    at_least: NonNegative | None = None
    note: str = ""

    @property
    def requirement(self) -> str:
        """Id of the requirement the objective makes measurable, for example ``B-20``."""
        return self.id.split(".", maxsplit=1)[0]

    @property
    def target(self) -> str:
        """The bound in words, for example ``≤ 30``."""
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("exactly one of at_most and at_least is required")
        if self.metric in FAULT_METRICS and self.fault is None:
            raise ValueError(f"metric '{self.metric}' needs a fault")
        if self.metric in LATENCY_METRICS and (self.operation is None or self.quantile is None):
            raise ValueError(f"metric '{self.metric}' needs an operation and a quantile")
        return self
