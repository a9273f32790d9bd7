"""Response times of undisturbed operation, from the requests of load and chaos runs.

The response time of a request runs from its *intended* start to its successful answer, whatever
number of attempts that took, so that a client that waits hides nothing (no coordinated omission).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from architecture import Design
from evidence import Estimate, Run
from evidence.estimate import batch_quantile, trials_needed
from load.settings import PROBE_JOURNEY

FloatArray = npt.NDArray[np.float64]
Clock = Literal["latency_s", "time_to_first_token_s"]

BATCHES_A_RUN = 10
MIN_BATCHES = 2
ABOVE_IN_A_BATCH = 10


@dataclass(frozen=True)
class Calm:
    """Requests of one operation in a run's undisturbed span.

    ``intended_s`` counts from the beginning of the span; ``value_s`` is what each took. A request
    that was never answered counts with at least the client's time-out.
    """

    run: str
    intended_s: FloatArray
    value_s: FloatArray
    unanswered: int
    users: int

    @property
    def n(self) -> int:
        """Number of requests."""
        return len(self.value_s)


def calm_span(
    requests: pd.DataFrame, faults: pd.DataFrame | None, operation: str, ramp_s: float
) -> tuple[float, float]:
    """Start and end of an operation's undisturbed span, on the run's own clock.

    It begins after the ramp. It ends with the first fault's injection, confirmed or not, but early
    enough that none of the operation's requests was under way then: leaving out only those that the
    fault cut short would favour short ones.
    """
    start_s = float(requests["intended_s"].min()) + ramp_s
    if faults is None or faults.empty:
        return start_s, math.inf
    injected_s = float(faults["injected_s"].min())
    own = requests[requests["operation"] == operation]
    last_s = own.groupby("request_id")["finished_s"].transform("max")
    under_way = own[(own["intended_s"] < injected_s) & ~(last_s <= injected_s)]
    cut_s = math.inf if under_way.empty else float(under_way["intended_s"].min())
    return start_s, min(injected_s, cut_s)


def calm_requests(run: Run, operation: str, design: Design, clock: Clock = "latency_s") -> Calm:
    """The clinicians' undisturbed requests of ``operation`` in a load or chaos run.

    Raises:
        RecordError: when the run has no table of requests.
    """
    requests = run.table("requests")
    requests = requests[requests["journey"] != PROBE_JOURNEY]
    if requests.empty:
        return Calm(run.name, np.empty(0), np.empty(0), 0, 0)
    faults = run.table("faults") if "faults" in run.record.tables else None
    start_s, end_s = calm_span(requests, faults, operation, design.workload.ramp_s)
    inside = requests[(requests["intended_s"] >= start_s) & (requests["intended_s"] < end_s)]
    chosen = inside[inside["operation"] == operation]
    client = design.workload.client
    patience_s = client.chat_timeout_s if operation == "chat" else client.timeout_s
    intended_s, value_s, answered = _per_request(chosen, clock)
    waited_s = np.where(answered, value_s, np.maximum(value_s, patience_s))
    return Calm(
        run=run.name,
        intended_s=intended_s - start_s,
        value_s=waited_s,
        unanswered=int((~answered).sum()),
        users=int(requests["user"].nunique()),
    )


def pooled_quantile(samples: Sequence[Calm], quantile: float) -> Estimate | None:
    """A quantile over the requests of several runs, laid end to end; None without requests.

    There are as many batches as keep ten requests above the quantile in each, at most ten a run:
    with fewer a batch's own quantile is biased, and the interval holds the truth less often than it
    claims (the tests measure it). A single request gives no interval: its bounds are 0 and
    infinity.
    """
    held = [sample for sample in samples if sample.n]
    if not held:
        return None
    offset_s = 0.0
    times: list[FloatArray] = []
    for sample in held:
        times.append(sample.intended_s + offset_s)
        offset_s += float(sample.intended_s.max()) + 1.0
    values = np.concatenate([sample.value_s for sample in held])
    fitting = int(len(values) * (1 - quantile) / ABOVE_IN_A_BATCH)
    batches = max(MIN_BATCHES, min(BATCHES_A_RUN * len(held), fitting))
    try:
        return batch_quantile(np.concatenate(times), values, quantile, batches=batches)
    except ValueError:
        figure = float(np.quantile(values, quantile))
        return Estimate(estimate=figure, lower=0, upper=math.inf, confidence=0.95, n=len(values))


def requests_needed(quantile: float) -> int:
    """Requests below which the largest of them is no 95 % bound for the quantile: 59 for p95."""
    return trials_needed(quantile)


def requests_of(runs: Sequence[Run]) -> list[Run]:
    """The runs that hold requests of clients."""
    return [run for run in runs if run.record.kind in {"load", "chaos"}]


def _per_request(
    attempts: pd.DataFrame, clock: Clock
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    end = "first_byte_s" if clock == "time_to_first_token_s" else "finished_s"
    grouped = attempts.assign(answer_s=attempts[end].where(attempts["outcome"] == "ok")).groupby(
        "request_id", sort=False
    )
    table = grouped.agg(
        intended_s=("intended_s", "min"), answer_s=("answer_s", "min"), last_s=("finished_s", "max")
    ).sort_values("intended_s")
    intended_s = table["intended_s"].to_numpy(dtype=float)
    answer_s = table["answer_s"].to_numpy(dtype=float)
    answered = ~np.isnan(answer_s)
    last_s = np.nan_to_num(table["last_s"].to_numpy(dtype=float), nan=-math.inf)
    return intended_s, np.where(answered, answer_s, last_s) - intended_s, answered
