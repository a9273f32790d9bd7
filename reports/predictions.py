"""Predictions, and what makes one count: it was recorded before the experiment it speaks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from evidence import Estimate, Outcome, Run
from evidence.record import RecordError
from reports import wording

KIND = "prediction"
MODEL_SAYS: dict[Outcome, str] = {
    "held": "holds",
    "refuted": "does not hold",
    "inconclusive": "cannot be called",
}
"""What a model's own verdict means: it is about what is predicted, never about evidence."""


class ModelVerdict(BaseModel):
    """What a model says by itself about a promise."""

    predicted: Outcome
    reason: str


class PredictedUptime(BaseModel):
    """What a prediction run holds under ``uptime``."""

    one_year: Estimate
    long_run: Estimate
    target: float
    probability_to_miss: Estimate
    verdict: ModelVerdict


@dataclass(frozen=True)
class Pair:
    """One measured figure beside the prediction recorded before its run."""

    objective: str
    title: str
    unit: str
    run: str
    prediction: str
    predicted: Estimate
    measured: float

    @property
    def covered(self) -> bool:
        """Whether the predicted interval holds the measured figure."""
        return self.predicted.covers(self.measured)


def prediction_before(runs: Sequence[Run], experiments: Sequence[Run]) -> Run | None:
    """The newest prediction run that was finished before the first experiment began.

    A prediction recorded later has seen the outcome, or could have; it is never used.
    """
    if not experiments:
        return None
    begun = min(_time(experiment.record.started) for experiment in experiments)
    earlier = [
        run for run in runs if run.record.kind == KIND and _time(run.record.finished) <= begun
    ]
    return max(earlier, key=lambda run: (_time(run.record.finished), run.name), default=None)


def newest_prediction(runs: Sequence[Run]) -> Run | None:
    """The newest prediction run, for objectives that no experiment has tested."""
    found = [run for run in runs if run.record.kind == KIND]
    return max(found, key=lambda run: (_time(run.record.finished), run.name), default=None)


def predicted(run: Run | None, objective_id: str) -> Estimate | None:
    """What a prediction run says about an objective, None when it says nothing.

    Raises:
        RecordError: when the record holds something that is no estimate.
    """
    if run is None:
        return None
    predictions = run.record.outcome.get("predictions")
    document = predictions.get(objective_id) if isinstance(predictions, dict) else None
    if document is None:
        return None
    try:
        return Estimate.model_validate(document)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise RecordError(f"{run.path}: outcome.predictions.{objective_id}: {reason}") from error


def uptime_words(run: Run | None) -> list[str]:
    """What stands behind a predicted uptime; nothing when the run has no such prediction.

    Raises:
        RecordError: when the record holds something else under ``uptime``.
    """
    document = None if run is None else run.record.outcome.get("uptime")
    if run is None or document is None:
        return []
    try:
        behind = PredictedUptime.model_validate(document)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise RecordError(f"{run.path}: outcome.uptime: {reason}") from error
    missed = behind.probability_to_miss
    chance = f"{missed.estimate:.2g} ({missed.lower:.2g} to {missed.upper:.2g})"
    long_run = wording.interval(behind.long_run, wording.SHARE)
    return [
        f"predicted is where {wording.share(behind.one_year.confidence)} of single years lie",
        f"in the long run {long_run}, over uncertain figures",
        f"a year misses {wording.share(behind.target)} with probability {chance}",
        f"by the model alone the promise {MODEL_SAYS[behind.verdict.predicted]}",
    ]


def _time(iso: str) -> datetime:
    return datetime.fromisoformat(iso)
