"""What the picture of a failover shows, cut from a run's records; drawn by ``reports.timeline``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from chaos.measures import OPERATIONS
from evidence import Estimate
from reports import wording
from reports.milestones import Milestone


@dataclass(frozen=True)
class Timeline:
    """What one picture shows. All times in seconds; 0 is the fault's landing.

    ``attempts`` has the columns operation, user, sent_s, finished_s and outcome. ``measured_s`` is
    the RTO per operation (read, write, chat), infinite when it was not served again.
    """

    attempts: pd.DataFrame
    milestones: tuple[Milestone, ...]
    measured_s: dict[str, float | None]
    predicted_s: dict[str, Estimate]
    promised_s: dict[str, float]
    zero_words: str
    from_s: float
    to_s: float


def timeline(
    requests: pd.DataFrame, milestones: Sequence[Milestone], *, zero_s: float,
    measured_s: dict[str, float | None], predicted_s: dict[str, Estimate],
    promised_s: dict[str, float], confirmed: bool = True, before_s: float = 15.0,
) -> Timeline:  # fmt: skip
    """Cut a run's requests to the span worth looking at and count their time from ``zero_s``."""
    attempts = requests.assign(
        sent_s=requests["sent_s"] - zero_s, finished_s=requests["finished_s"] - zero_s
    )
    ends = [*promised_s.values(), *(estimate.upper for estimate in predicted_s.values())]
    ends += [value for value in measured_s.values() if value is not None]
    last_s = float(attempts["finished_s"].max()) if len(attempts) else 30.0
    to_s = min(last_s, 1.35 * max([20.0, *(end for end in ends if math.isfinite(end))]))
    shown = attempts[(attempts["finished_s"] >= -before_s) & (attempts["sent_s"] <= to_s)]
    return Timeline(
        attempts=shown[["operation", "user", "sent_s", "finished_s", "outcome"]],
        milestones=tuple(m for m in milestones if -before_s <= m.time_s <= to_s),
        measured_s=measured_s,
        predicted_s=predicted_s,
        promised_s=promised_s,
        zero_words="fault landed" if confirmed else "fault injected, not confirmed",
        from_s=-before_s,
        to_s=to_s,
    )


def in_words(picture: Timeline) -> str:
    """What the picture shows, for those who cannot see it."""
    parts = []
    for operation in OPERATIONS:
        value = picture.measured_s.get(operation)
        name = wording.OPERATIONS[operation]
        if value is None:
            parts.append(f"{name}: no lasting success was measured.")
        elif math.isinf(value):
            parts.append(f"{name}: not served again while the run lasted.")
        else:
            parts.append(f"{name}: served again after {wording.seconds(value)}.")
    events = "; ".join(f"{wording.seconds(m.time_s)} {m.text}" for m in picture.milestones)
    return " ".join([*parts, f"Events: {events}." if events else ""]).strip()
