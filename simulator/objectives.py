"""What the models say about one objective: a prediction interval, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from architecture.design import Design
from architecture.objectives import Objective
from evidence import Estimate
from simulator.availability.one_year import YearAhead
from simulator.failover.faults import faults_of
from simulator.hospital import CapacityResult
from simulator.recovery_point import behind, central_loss, loss_samples, wan_down_share
from simulator.recovery_point.behind import CLOUD_ALONE
from simulator.statistics import central, one_more

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Models:
    """The models of one design, run.

    Attributes:
        design: What they are of.
        capacity: Normal operation.
        failovers: Simulated trials of each fault, as ``failover_samples`` gives them.
        losses: What faults cost of acknowledged writes.
        uptime: A year; None when it was not modelled.
    """

    design: Design
    capacity: CapacityResult
    failovers: pd.DataFrame
    losses: Losses
    uptime: YearAhead | None

    def of(self, objective: Objective) -> tuple[Estimate | None, str]:
        """The prediction for one objective, or none; and what must be said about it."""
        strikes = objective.fault in faults_of(self.design)
        if objective.metric == "rto_s" and strikes:
            return _recovery(objective, self.failovers)
        if objective.metric in {"rpo_s", "lost_writes"} and strikes:
            return self.losses.of(objective)
        if objective.metric in {"latency_s", "time_to_first_token_s"}:
            return _latency(objective, self.capacity)
        if objective.metric == "availability":
            return _year(self.uptime)
        about = f" after {objective.fault}" if objective.fault else ""
        return None, f"{objective.metric}{about} is not predicted by this model"


@dataclass(frozen=True)
class Losses:
    """What faults cost of acknowledged writes."""

    design: Design
    seed: int
    wan_cut_s: float

    def of(self, objective: Objective) -> tuple[Estimate | None, str]:
        """Zero follows from the protocol, not from the simulation: so ``n`` is 0 there."""
        fault = next(name for name in faults_of(self.design) if name == objective.fault)
        gap = behind(self.design, fault, wan_cut_s=self.wan_cut_s)
        if gap.waits:
            none = Estimate(estimate=0.0, lower=0.0, upper=0.0, confidence=CONFIDENCE, n=0)
            return none, f"0 because {gap.how}; it holds while the standby is synchronous"
        samples = loss_samples(self.design, fault, seed=self.seed, wan_cut_s=self.wan_cut_s)
        note = gap.how
        if fault in CLOUD_ALONE and self.wan_cut_s == 0:
            share = wan_down_share(self.design)
            note += (
                f"; the WAN is taken to be up at the fault, which it is not for {share:.2%} of "
                "time: then the loss is as old as the cut"
            )
        return central_loss(samples, objective.metric), note


def _recovery(objective: Objective, samples: pd.DataFrame) -> tuple[Estimate | None, str]:
    operation = {"lookup": "read", "note": "write"}.get(
        objective.operation or "", objective.operation
    )
    chosen = (samples["fault"] == objective.fault) & (samples["operation"] == operation)
    outages = samples.loc[chosen, "outage_s"].to_numpy(dtype=float)
    if not len(outages):
        return None, f"the workload has no operation '{objective.operation}'"
    return central(outages, CONFIDENCE), ""


def _latency(objective: Objective, capacity: CapacityResult) -> tuple[Estimate | None, str]:
    """The asked quantile must be one that replications keep: 0.5, 0.95 or 0.99."""
    statistic = {0.5: "p50", 0.95: "p95", 0.99: "p99"}.get(objective.quantile or 0.0)
    operation = {"read": "lookup", "write": "note"}.get(
        objective.operation or "", objective.operation
    )
    if statistic is None or operation not in capacity.journeys:
        return None, f"quantile {objective.quantile} of '{objective.operation}' is not predicted"
    if objective.metric == "time_to_first_token_s":
        values = [made.first_token[statistic] for made in capacity.replications]
    else:
        values = [made.latency[operation][statistic] for made in capacity.replications]
    return one_more(values, CONFIDENCE), ""


def _year(uptime: YearAhead | None) -> tuple[Estimate | None, str]:
    if uptime is None:
        return None, "not predicted: no failures are listed, or no draws of their rates asked for"
    possible, missed = uptime.long_run, uptime.miss
    return uptime.one_year, (
        f"the uptime of one year, 95 % of {uptime.one_year.n} simulated years, rates and repairs "
        f"drawn from their ranges {uptime.long_run.n} times; in the long run "
        f"{possible.lower:.4%} to {possible.upper:.4%}; a year misses {uptime.target:.6g} with "
        f"probability {missed.estimate:.2f} ({missed.lower:.2f} to {missed.upper:.2f}). No "
        "experiment lasts a year: this is compared with no measurement"
    )
