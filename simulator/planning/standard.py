"""What counts as "it holds": the design's latency objectives, and few failed requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from architecture.design import Design
from architecture.objectives import Objective
from simulator.figures import Figures
from simulator.hospital.capacity import Scenario, run_replication
from simulator.hospital.result import Replication
from simulator.hospital.task import metrics
from simulator.streams import Streams

MOST_FAILED = 0.01
STATISTICS = {0.5: "p50", 0.95: "p95", 0.99: "p99"}
REQUESTS = {"read": "lookup", "write": "note"}


@dataclass(frozen=True)
class Limit:
    """A metric of a replication that must not exceed a bound, and whose words these are."""

    metric: str
    at_most: float
    title: str


@dataclass(frozen=True)
class Standard:
    """All limits together. A design meets it when each metric's mean over replications does.

    The mean is a point: uncertainty of inputs moves the answer, see the sensitivity of a sweep.
    """

    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a standard was met, and the limit that is nearest to its bound or furthest past it.

    ``value`` is the mean over replications; 0 when nothing was observed.
    """

    met: bool
    limit: Limit
    value: float

    @property
    def words(self) -> str:
        """One clause, for people."""
        relation = "≤" if self.met else ">"
        return f"{self.limit.title}: {self.value:.3g} {relation} {self.limit.at_most:g}"


# The documents promise nothing that can apply to a model's answer (D-12), so this is assumed: ten
# seconds are about as long as people keep their attention on a dialogue (Nielsen, Usability
# Engineering, 1993, ch. 5, after Miller 1968).
USABLE: tuple[Limit, ...] = (
    Limit("chat.time_to_first_token_s.p95", 10.0, "first token of a chat, 95th percentile"),
    Limit("dictation.latency_s.p95", 10.0, "a dictation's text, 95th percentile"),
)


def standard_of(
    design: Design, *, most_failed: float = MOST_FAILED, extra: Sequence[Limit] = USABLE
) -> Standard:
    """The design's objectives on latency and first token, what users bear, and few failures."""
    limits = [limit for o in design.objectives if (limit := _limit(o)) is not None]
    failed = Limit("failed_share", most_failed, "share of requests that fail")
    return Standard((*limits, *extra, failed))


def _limit(objective: Objective) -> Limit | None:
    statistic = STATISTICS.get(objective.quantile or 0.0)
    if objective.at_most is None or statistic is None or objective.fault is not None:
        return None
    if objective.metric not in {"latency_s", "time_to_first_token_s"}:
        return None
    operation = REQUESTS.get(objective.operation or "", objective.operation)
    metric = f"{operation}.{objective.metric}.{statistic}"
    return Limit(metric, objective.at_most, f"{objective.id} {objective.title}")


def judge(
    design: Design, figures: Figures, standard: Standard, scenario: Scenario, *, seed: int,
    replications: int,
) -> Verdict:  # fmt: skip
    """Simulate and hold against the standard; the same seed meets the same clinicians (CRN).

    Raises:
        ConservationError: when the model loses or invents a request.
        ValueError: for numbers that make no simulation.
    """
    made = [
        run_replication(design, figures, scenario, Streams(seed, number))
        for number in range(replications)
    ]
    return verdict_on(made, standard)


def verdict_on(made: Sequence[Replication], standard: Standard) -> Verdict:
    """Hold replications against a standard."""
    rows = [metrics(replication) for replication in made]
    worst: Verdict | None = None
    for limit in standard.limits:
        # What nobody was answered has no latency; that it fails is in the share that does.
        value = _mean([row.get(limit.metric, math.nan) for row in rows])
        found = Verdict(not value > limit.at_most, limit, 0.0 if math.isnan(value) else value)
        if worst is None or _strain(found) > _strain(worst):
            worst = found
    if worst is None:
        raise ValueError("a standard needs at least one limit")
    return worst


def _strain(verdict: Verdict) -> float:
    """Value over bound: above 1 when it is broken."""
    bound = verdict.limit.at_most
    return verdict.value / bound if bound > 0 else math.inf if verdict.value > 0 else 0.0


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
