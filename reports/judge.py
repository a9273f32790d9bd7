"""Verdicts: each objective of a design against the evidence of its runs. Pure; reads records only.

A fault's objective is judged from trials, one an experiment, recomputed from the tables of chaos
runs; a latency's from the undisturbed requests of load and chaos runs. The prediction beside a
verdict is the newest one recorded before the first run it is compared with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from architecture import Design, design_hash
from architecture.objectives import FAULT_METRICS, LATENCY_METRICS, Objective
from evidence import Estimate, Outcome, Run, Verdict
from evidence.record import RecordError
from evidence.verdict import Bound, judge_interval, judge_trials
from reports import wording
from reports.lag import lags_of
from reports.latency import (
    Calm,
    Clock,
    calm_requests,
    pooled_quantile,
    requests_needed,
    requests_of,
)
from reports.predictions import (
    Pair,
    newest_prediction,
    predicted,
    prediction_before,
    uptime_words,
)
from reports.trials import Trial, median_of_trials, read_trials, trial_value

ENOUGH_USERS = 0.95
"""Share of the design's users that must have been seen for a latency to count as held."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the pairs of prediction and measurement behind it."""

    objective: Objective
    verdict: Verdict
    prediction: str | None
    pairs: tuple[Pair, ...] = ()

    @property
    def tested(self) -> bool:
        """Whether any run set out to test the objective, conclusively or not."""
        return bool(self.verdict.runs)


def verdicts(runs: Sequence[Run], design: Design) -> list[Verdict]:
    """What the runs say about each objective of the design, in the design's order.

    Runs of another design are left out. Nothing measured, an unconfirmed fault, an unread ledger,
    too few trials: inconclusive, with the reason.

    Raises:
        RecordError: when a run's table can't be read.
    """
    return [judgement.verdict for judgement in judge(runs, design)]


def judge(runs: Sequence[Run], design: Design) -> list[Judgement]:
    """As :func:`verdicts`, with the pairs that coverage is counted from."""
    own = of_design(runs, design)
    trials = [trial for run in own if run.record.kind == "chaos" for trial in read_trials(run)]
    return [_judge_one(objective, own, trials, design) for objective in design.objectives]


def of_design(runs: Sequence[Run], design: Design) -> list[Run]:
    """The runs whose recorded design is ``design``, whatever defaults have been added since."""
    wanted = design_hash(design)
    return [
        run
        for run in runs
        if run.record.design_hash == wanted
        or (
            run.record.design == design.name
            and design_hash(Design.model_validate(run.record.design_document)) == wanted
        )
    ]


def bound_of(objective: Objective) -> Bound:
    """What the objective demands."""
    return Bound(at_most=objective.at_most, at_least=objective.at_least)


def _judge_one(
    objective: Objective, runs: Sequence[Run], trials: Sequence[Trial], design: Design
) -> Judgement:
    if objective.metric in FAULT_METRICS:
        return _judge_fault(objective, runs, trials)
    if objective.metric in LATENCY_METRICS:
        return _judge_latency(objective, runs, design)
    if objective.metric == "replication_lag_s":
        return _judge_lag(objective, runs, design)
    return _judge_uptime(objective, runs)


def _judge_fault(objective: Objective, runs: Sequence[Run], trials: Sequence[Trial]) -> Judgement:
    attempted = [trial for trial in trials if trial.fault == objective.fault]
    measured = [(trial, *trial_value(trial, objective)) for trial in attempted]
    counted = [(trial, value) for trial, value, _ in measured if value is not None]
    values = [value for _, value in counted]
    outcome, reason, needed = judge_trials(values, bound_of(objective))
    left_out = Counter(why for _, value, why in measured if value is None)
    if not attempted:
        reason = f"no experiment with {wording.LOSSES[str(objective.fault)]}"
    elif not counted:
        reason = _listed(left_out)
    elif left_out:
        reason += f"; not counted: {_listed(left_out)}"
    evidence = [trial.run for trial, _ in counted] or [trial.run for trial in attempted]
    return _judgement(
        objective,
        runs,
        outcome=outcome,
        reason=reason,
        measured=median_of_trials(values),
        n=len(values),
        needed=needed,
        evidence=evidence,
        figures=[(trial.run, value) for trial, value in counted],
    )


def _judge_latency(objective: Objective, runs: Sequence[Run], design: Design) -> Judgement:
    quantile = objective.quantile or 0.5
    clock: Clock = "latency_s" if objective.metric == "latency_s" else "time_to_first_token_s"
    samples: list[tuple[Run, Calm]] = []
    for run in requests_of(runs):
        try:
            sample = calm_requests(run, str(objective.operation), design, clock)
        except RecordError:
            continue
        if sample.n:
            samples.append((run, sample))
    calm = [sample for _, sample in samples]
    measured = pooled_quantile(calm, quantile)
    needed = requests_needed(quantile)
    outcome, reason = judge_interval(measured, bound_of(objective))
    if measured is None:
        reason = "no undisturbed request was recorded"
    elif measured.n < needed:
        outcome, reason = "inconclusive", f"{measured.n} requests, {needed} are needed"
    else:
        outcome, reason = _with_few_users(outcome, reason, calm, design.workload.users)
        reason += _unanswered(calm)
    return _judgement(
        objective,
        runs,
        outcome=outcome,
        reason=reason,
        measured=measured,
        n=sum(sample.n for sample in calm),
        needed=needed,
        evidence=[run for run, _ in samples],
        figures=[(run, _point(sample, quantile)) for run, sample in samples],
    )


def _judge_lag(objective: Objective, runs: Sequence[Run], design: Design) -> Judgement:
    """Each sample, a second apart while nothing was broken, is a trial of the bound."""
    sampled = lags_of(runs, design)
    lags = [lag_s for _, own in sampled for lag_s in own]
    bound = bound_of(objective)
    outcome, _, needed = judge_trials(lags, bound)
    late = sum(not bound.met_by(lag_s) for lag_s in lags)
    reason = f"{late} of {wording.plural(len(lags), 'sample')}, a second apart, broke the bound"
    if not lags:
        reason = "no run records the replication lag"
    elif outcome == "inconclusive":
        reason += f"; {needed - len(lags)} more are needed"
    return _judgement(
        objective,
        runs,
        outcome=outcome,
        reason=reason,
        measured=median_of_trials(lags),
        n=len(lags),
        needed=needed,
        evidence=[run for run, _ in sampled],
        figures=[(run, max(own)) for run, own in sampled],
    )


def _judge_uptime(objective: Objective, runs: Sequence[Run]) -> Judgement:
    """No run lasts a year, so this stays open whatever is predicted; the reason says what is."""
    reason = "a year's uptime is predicted, not measured: no run is a year long"
    return _judgement(
        objective,
        runs,
        outcome="inconclusive",
        reason="; ".join([reason, *uptime_words(newest_prediction(runs))]),
        measured=None,
        n=0,
        needed=None,
        evidence=[],
        figures=[],
    )


def _judgement(
    objective: Objective, runs: Sequence[Run], *, outcome: Outcome, reason: str,
    measured: Estimate | None, n: int, needed: int | None, evidence: Sequence[Run],
    figures: Sequence[tuple[Run, float]],
) -> Judgement:  # fmt: skip
    before = prediction_before(runs, evidence) if evidence else newest_prediction(runs)
    unit = wording.UNITS[objective.metric]
    verdict = Verdict(
        objective=objective.id,
        title=objective.title,
        verdict=outcome,
        target=objective.target,
        unit=unit,
        predicted=predicted(before, objective.id),
        measured=measured,
        n=n,
        needed=needed,
        reason=reason,
        runs=tuple(dict.fromkeys(run.name for run in evidence)),
    )
    return Judgement(
        objective=objective,
        verdict=verdict,
        prediction=None if before is None or verdict.predicted is None else before.name,
        pairs=tuple(_pairs(objective, unit, runs, figures)),
    )


def _pairs(
    objective: Objective, unit: str, runs: Sequence[Run], figures: Sequence[tuple[Run, float]]
) -> list[Pair]:
    pairs = []
    for run, measured in figures:
        before = prediction_before(runs, [run])
        interval = predicted(before, objective.id)
        if before is None or interval is None:
            continue
        pairs.append(
            Pair(objective.id, objective.title, unit, run.name, before.name, interval, measured)
        )
    return pairs


def _with_few_users(
    outcome: Outcome, reason: str, samples: Sequence[Calm], promised: int
) -> tuple[Outcome, str]:
    """Fewer users than promised may refute a latency, but never hold it."""
    fewest = min(sample.users for sample in samples)
    if outcome == "held" and fewest < ENOUGH_USERS * promised:
        return "inconclusive", f"{reason}, but with {fewest} of the design's {promised} users"
    return outcome, reason


def _unanswered(samples: Sequence[Calm]) -> str:
    unanswered = sum(sample.unanswered for sample in samples)
    if not unanswered:
        return ""
    return f"; {wording.plural(unanswered, 'request')} without an answer counted as the time-out"


def _point(sample: Calm, quantile: float) -> float:
    interval = pooled_quantile([sample], quantile)
    return math.nan if interval is None else interval.estimate


def _listed(reasons: Counter[str]) -> str:
    return "; ".join(
        why if number == 1 else f"{why} ({number} experiments)"
        for why, number in sorted(reasons.items())
    )
