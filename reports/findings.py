"""Everything a report says, gathered from the records once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from architecture import Design, design_hash
from evidence import Estimate, Run, Verdict, exit_code
from evidence.estimate import sample_interval
from evidence.record import RecordError
from reports.judge import Judgement, judge, of_design
from reports.latency import calm_requests, pooled_quantile, requests_needed, requests_of
from reports.milestones import milestones
from reports.picture import Timeline, timeline
from reports.predictions import Pair, newest_prediction, prediction_before
from reports.trials import Trial, read_trials, trial_value

QUANTILES = (0.5, 0.95, 0.99)
REQUESTS = ("login", "lookup", "note", "chat")


@dataclass(frozen=True)
class LatencyRow:
    """A quantile of an operation's response time, undisturbed. ``predicted`` is where one further
    replication of the simulation is expected; ``measured`` has n requests."""

    operation: str
    quantile: float
    predicted: Estimate | None
    measured: Estimate | None

    @property
    def too_few(self) -> bool:
        """Whether there are fewer requests than the quantile needs."""
        return self.measured is not None and self.measured.n < requests_needed(self.quantile)

    @property
    def covered(self) -> bool | None:
        """Whether the prediction holds the measured figure; None when nothing can be said."""
        if self.predicted is None or self.measured is None or self.too_few:
            return None
        return self.predicted.covers(self.measured.estimate)


@dataclass(frozen=True)
class Findings:
    """What the runs say about a design."""

    design: Design
    runs: tuple[Run, ...]
    left_out: tuple[Run, ...]
    judgements: tuple[Judgement, ...]
    trials: tuple[Trial, ...]
    latency: tuple[LatencyRow, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One per objective, in the design's order."""
        return tuple(judgement.verdict for judgement in self.judgements)

    @property
    def unmeasured_operations(self) -> tuple[str, ...]:
        """Requests of the workload without one undisturbed measurement."""
        seen = {row.operation for row in self.latency if row.measured is not None}
        used = {step.request for j in self.design.workload.journeys.values() for step in j.steps}
        return tuple(name for name in REQUESTS if name in used - seen)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every measured figure that a prediction preceded."""
        return tuple(pair for judgement in self.judgements for pair in judgement.pairs)

    @property
    def design_hash(self) -> str:
        """SHA-256 of the design."""
        return design_hash(self.design)

    @property
    def exit_code(self) -> int:
        """1 when a promise is refuted, 3 when one is inconclusive, else 0."""
        return exit_code(self.verdicts)


def findings(runs: Sequence[Run], design: Design) -> Findings:
    """Judge the runs and gather what stands behind the verdicts.

    Raises:
        RecordError: when a table can't be read.
    """
    ordered = sorted(runs, key=lambda run: (run.record.started, run.name))
    own = [run for run in of_design(ordered, design) if run.record.kind != "report"]
    kept = {run.name for run in own}
    return Findings(
        design=design,
        runs=tuple(own),
        left_out=tuple(
            run for run in ordered if run.name not in kept and run.record.kind != "report"
        ),
        judgements=tuple(judge(own, design)),
        trials=tuple(t for run in own if run.record.kind == "chaos" for t in read_trials(run)),
        latency=tuple(latency_rows(own, design)),
    )


def latency_rows(runs: Sequence[Run], design: Design) -> list[LatencyRow]:
    """Response times per operation: measured undisturbed, predicted before the first run."""
    measured_runs = requests_of(runs)
    before = prediction_before(runs, measured_runs) if measured_runs else newest_prediction(runs)
    table = _prediction_table(before)
    rows = []
    for operation in REQUESTS:
        samples = []
        for run in measured_runs:
            try:
                samples.append(calm_requests(run, operation, design))
            except RecordError:
                continue
        own = table[table["operation"] == operation]
        for quantile in QUANTILES:
            column = f"p{quantile * 100:.0f}"
            measured = pooled_quantile(samples, quantile)
            values = own[column].dropna().to_numpy() if len(own) else np.empty(0)
            predicted = sample_interval(values) if len(values) else None
            if measured is not None or predicted is not None:
                rows.append(LatencyRow(operation, quantile, predicted, measured))
    return rows


def telling_trial(trials: Sequence[Trial]) -> Trial | None:
    """The trial to show: the confirmed one with the longest recovery, the newest of equals."""

    def weight(trial: Trial) -> tuple[bool, float, str]:
        waits_s = [
            back.failing_until_s if back.rto_s is None else back.rto_s
            for back in trial.returns.values()
        ]
        return trial.confirmed, max(waits_s, default=0.0), trial.run.record.started

    return max((trial for trial in trials if trial.requests), key=weight, default=None)


def picture_of(trial: Trial, judgements: Sequence[Judgement]) -> Timeline:
    """The timeline of one trial, with the prediction that preceded its own run."""
    promised: dict[str, float] = {}
    predicted: dict[str, Estimate] = {}
    measured: dict[str, float | None] = {
        operation: back.rto_s for operation, back in trial.returns.items()
    }
    for judgement in judgements:
        objective = judgement.objective
        if objective.metric != "rto_s" or objective.fault != trial.fault:
            continue
        operation = str(objective.operation)
        measured[operation], _ = trial_value(trial, objective)
        if objective.at_most is not None:
            promised[operation] = objective.at_most
        for pair in judgement.pairs:
            if pair.run == trial.run.name:
                predicted[operation] = pair.predicted
    return timeline(
        trial.run.table("requests"),
        milestones(_events(trial.run), trial.zero_s, trial.restored_s),
        zero_s=trial.zero_s,
        measured_s=measured,
        predicted_s=predicted,
        promised_s=promised,
        confirmed=trial.confirmed,
    )


def _events(run: Run) -> pd.DataFrame:
    if "events" in run.record.tables:
        return run.table("events")
    return pd.DataFrame({"time_s": [], "source": [], "event": [], "detail": []})


def _prediction_table(run: Run | None) -> pd.DataFrame:
    if run is None or "latency" not in run.record.tables:
        return pd.DataFrame({"operation": []})
    return run.table("latency")
