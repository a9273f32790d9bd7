"""What a design is expected to do, said before anybody measures it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from architecture.design import Design
from evidence import Estimate, RunWriter
from simulator.availability.one_year import DRAWS, YEARS_A_DRAW, YearAhead, year_ahead
from simulator.failover.bound import failover_bound_s
from simulator.failover.faults import FaultName, faults_of
from simulator.failover.terms import notes
from simulator.failover.trials import failover_samples
from simulator.figures import figures_for
from simulator.flush_times import FlushTimes
from simulator.hospital import CapacityResult, simulate
from simulator.objectives import Losses, Models
from simulator.statistics import estimate_document
from simulator.step_times import StepTimesRange

KIND = "prediction"
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
    expected with 95 % probability, not where a mean lies. Of uptime that is one further year.
    Objectives that are missing there are not predicted; ``notes`` say why. ``uptime`` is what
    stands behind a predicted uptime; None where the design promises none or lists no failures.
    """

    design: Design
    seed: int
    parameters: dict[str, Any]
    predictions: dict[str, Estimate]
    failover_bound_s: dict[str, dict[str, float]]
    capacity: CapacityResult
    failover_samples: pd.DataFrame
    uptime: YearAhead | None
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
            **({} if self.uptime is None else {"uptime": self.uptime.document()}),
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
    flush_times: FlushTimes | None = None, uptime_draws: int = DRAWS, primary: str | None = None,
    word_after_s: float = WORD_AFTER_S, wan_cut_s: float = 0.0, progress: Progress | None = None,
) -> Prediction:  # fmt: skip
    """Predict what the design's objectives speak of, as far as a model of it is honest.

    Args:
        design: What is predicted.
        seed: Same seed, same prediction.
        replications: Simulated trials of each fault.
        capacity_replications: Simulated runs of normal operation.
        step_times: Measured ones; the catalogue's by default.
        flush_times: Measured ones of the databases' disk; an estimate by default.
        uptime_draws: Draws of uncertain rates and repairs for the uptime; none leaves it out.
        primary: The site of the primary at the fault; the design's first by default.
        word_after_s: When a person confirms the loss of the site, seconds after it, unless the
            design decides automatically.
        wan_cut_s: For how long the WAN was cut already when both nodes or the site are lost.
        progress: Told what is being done.

    Raises:
        InputError: when the catalogue lacks a figure.
    """
    tell = progress or (lambda _message: None)
    figures = figures_for(design, step_times=step_times, flush_times=flush_times)
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
    uptime = _uptime(design, seed, uptime_draws, tell)
    models = Models(
        design=design, capacity=capacity, failovers=samples,
        losses=Losses(design, seed, wan_cut_s), uptime=uptime,
    )  # fmt: skip
    predictions: dict[str, Estimate] = {}
    said = [*notes(design), DEMANDS_NOTE]
    for objective in design.objectives:
        found, note = models.of(objective)
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
            "uptime_draws": uptime_draws,
            "users": design.workload.users,
            "primary": primary or design.database.sites[0],
            "word_after_s": word_after_s,
            "wan_cut_s": wan_cut_s,
            "step_times": "given" if step_times is not None else "catalogue",
            "flush_times": "given" if flush_times is not None else "estimate",
        },
        predictions=predictions,
        failover_bound_s=failover_bound_s(design),
        capacity=capacity,
        failover_samples=samples,
        uptime=uptime,
        notes=tuple(said),
    )


def record(prediction: Prediction, root: Path) -> Path:
    """Write the prediction as a run of kind ``prediction``; returns its folder.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    design = prediction.design
    with RunWriter.of_design(
        root, kind=KIND, design=design, seed=prediction.seed, parameters=prediction.parameters,
    ) as run:  # fmt: skip
        for name, table in prediction.tables().items():
            run.write_table(name, table)
        run.finish(prediction.outcome())
    return run.path


def _promised(design: Design) -> tuple[FaultName, ...]:
    """The faults whose recovery time is promised, of those that can strike the design."""
    promised = {objective.fault for objective in design.objectives if objective.metric == "rto_s"}
    return tuple(fault for fault in faults_of(design) if fault in promised)


def _uptime(design: Design, seed: int, draws: int, tell: Progress) -> YearAhead | None:
    promised = [o.at_least for o in design.objectives if o.metric == "availability" and o.at_least]
    if not promised or not design.failures or not draws:
        return None
    tell(f"living {draws * YEARS_A_DRAW} years with failures and repairs")
    return year_ahead(design, promised[0], seed=seed, draws=draws)


def _finite(value: float) -> float | str:
    return "Infinity" if math.isinf(value) else value
