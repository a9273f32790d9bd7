"""What a design is expected to do, said before anybody measures it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from architecture.design import Design
from architecture.loading import design_hash
from architecture.objectives import Objective
from evidence import Estimate, RunWriter
from evidence.record import json_document
from simulator.failover.bound import failover_bound_s
from simulator.failover.faults import FaultName, faults_of
from simulator.failover.terms import notes
from simulator.failover.trials import failover_samples
from simulator.figures import figures_for
from simulator.hospital import CapacityResult, simulate
from simulator.recovery_point import behind, central_loss, loss_samples, wan_down_share
from simulator.recovery_point.behind import CLOUD_ALONE
from simulator.statistics import central, estimate_document, one_more
from simulator.step_times import StepTimesRange

KIND = "prediction"
CONFIDENCE = 0.95
REPLICATIONS = 500
CAPACITY_REPLICATIONS = 20
# The experiment `site-loss` has its person confirm the loss so long after the power went.
WORD_AFTER_S = 30.0

DEMANDS_NOTE = (
    "Latencies of look-ups and notes rest on the design's processor times of a request, taken to "
    "be right within the factors of Figures.demand_scale."
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prediction:
    """A prediction before it is recorded.

    ``predictions`` maps objective ids to *prediction* intervals: where one further trial or run is
    expected with 95 % probability, not where a mean lies. Objectives that are missing there are not
    predicted; ``notes`` say why.
    """

    design: Design
    seed: int
    parameters: dict[str, Any]
    predictions: dict[str, Estimate]
    failover_bound_s: dict[str, dict[str, float]]
    capacity: CapacityResult
    failover_samples: pd.DataFrame
    notes: tuple[str, ...]

    def outcome(self) -> dict[str, Any]:
        """The run's outcome document; infinite values are the string ``Infinity``."""
        return {
            "predictions": {
                objective: estimate_document(estimate)
                for objective, estimate in self.predictions.items()
            },
            "failover_bound_s": {
                fault: {operation: _finite(value) for operation, value in bounds.items()}
                for fault, bounds in self.failover_bound_s.items()
            },
            **self.capacity.document(),
            "notes": list(self.notes),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """The run's tables by name."""
        return {
            "failover_samples": self.failover_samples,
            "latency": self.capacity.latency_table(),
            "stations": self.capacity.station_table(),
        }


def predict(
    design: Design, *, seed: int = 1, replications: int = REPLICATIONS,
    capacity_replications: int = CAPACITY_REPLICATIONS, step_times: StepTimesRange | None = None,
    primary: str | None = None, word_after_s: float = WORD_AFTER_S, wan_cut_s: float = 0.0,
    progress: Progress | None = None,
) -> Prediction:  # fmt: skip
    """Predict what the design's objectives speak of, as far as a model of it is honest.

    Args:
        design: What is predicted.
        seed: Same seed, same prediction.
        replications: Simulated trials of each fault.
        capacity_replications: Simulated runs of normal operation.
        step_times: Measured ones; the catalogue's by default.
        primary: The site of the primary at the fault; the design's first by default.
        word_after_s: When a person confirms the loss of the site, seconds after it, unless the
            design decides automatically.
        wan_cut_s: For how long the WAN was cut already when both nodes or the site are lost.
        progress: Told what is being done.

    Raises:
        InputError: when the catalogue lacks a figure.
    """
    tell = progress or (lambda _message: None)
    figures = figures_for(design, step_times=step_times)
    tell(f"simulating {design.workload.users} clinicians")
    capacity = simulate(design, figures, seed=seed, replications=capacity_replications)
    latency_s = {
        operation: found["latency_s"]["mean"].estimate
        for operation, found in capacity.journeys.items()
    }
    samples = failover_samples(
        design, seed=seed, replications=replications, primary=primary,
        faults=_promised(design), step_times=figures.step_times, latency_s=latency_s,
        word_after_s=word_after_s, progress=tell,
    )  # fmt: skip
    losses = _Losses(design, seed, wan_cut_s)
    predictions: dict[str, Estimate] = {}
    said = [*notes(design), DEMANDS_NOTE]
    for objective in design.objectives:
        found, note = _predict_one(objective, design, capacity, samples, losses)
        if found is not None:
            predictions[objective.id] = found
        if note:
            said.append(f"{objective.id}: {note}")
    return Prediction(
        design=design,
        seed=seed,
        parameters={
            "replications": replications,
            "capacity_replications": capacity_replications,
            "users": design.workload.users,
            "primary": primary or design.database.sites[0],
            "word_after_s": word_after_s,
            "wan_cut_s": wan_cut_s,
            "step_times": "given" if step_times is not None else "catalogue",
        },
        predictions=predictions,
        failover_bound_s=failover_bound_s(design),
        capacity=capacity,
        failover_samples=samples,
        notes=tuple(said),
    )


def record(prediction: Prediction, root: Path) -> Path:
    """Write the prediction as a run of kind ``prediction``; returns its folder.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    design = prediction.design
    with RunWriter(
        root, kind=KIND, design_document=json_document(design), design_hash=design_hash(design),
        seed=prediction.seed, parameters=prediction.parameters,
    ) as run:  # fmt: skip
        for name, table in prediction.tables().items():
            run.write_table(name, table)
        run.finish(prediction.outcome())
    return run.path


def _promised(design: Design) -> tuple[FaultName, ...]:
    """The faults whose recovery time is promised, of those that can strike the design."""
    promised = {objective.fault for objective in design.objectives if objective.metric == "rto_s"}
    return tuple(fault for fault in faults_of(design) if fault in promised)


def _predict_one(
    objective: Objective, design: Design, capacity: CapacityResult, samples: pd.DataFrame,
    losses: _Losses,
) -> tuple[Estimate | None, str]:  # fmt: skip
    """The prediction for one objective, or none; and what must be said about it."""
    if objective.metric == "rto_s" and objective.fault in faults_of(design):
        return _recovery(objective, samples)
    if objective.metric in {"rpo_s", "lost_writes"} and objective.fault in faults_of(design):
        return losses.of(objective)
    if objective.metric in {"latency_s", "time_to_first_token_s"}:
        return _latency(objective, capacity)
    about = f" after {objective.fault}" if objective.fault else ""
    return None, f"{objective.metric}{about} is not predicted by this model"


def _recovery(objective: Objective, samples: pd.DataFrame) -> tuple[Estimate | None, str]:
    operation = {"lookup": "read", "note": "write"}.get(
        objective.operation or "", objective.operation
    )
    chosen = (samples["fault"] == objective.fault) & (samples["operation"] == operation)
    outages = samples.loc[chosen, "outage_s"].to_numpy(dtype=float)
    if not len(outages):
        return None, f"the workload has no operation '{objective.operation}'"
    return central(outages, CONFIDENCE), ""


@dataclass(frozen=True)
class _Losses:
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


def _finite(value: float) -> float | str:
    return "Infinity" if math.isinf(value) else value
