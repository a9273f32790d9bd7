"""What a fault cost the clients: definitions before code.

**Operations.** read = look a patient up, write = store a note, chat = a whole streamed answer, a
clinician's or a probe's: see :mod:`load.probe`.

**Recovered** (RTO). An operation is recovered by the first successful attempt that was *sent after
the fault had landed* and after whose end no attempt sent within the next ``SUSTAIN_S`` seconds ends
without success. An answer that was on its way when the fault landed proves nothing, nor does a
success that is followed by failures. The RTO is the time from the landing to the end of that
attempt. There is none when

- no fault was confirmed (*no fault*),
- no attempt qualifies (*never*),
- the load was stopped before the window was over (*unobserved*),
- nothing at all succeeded in the window (*no evidence*): one success may be chance, or
- nobody had tried for longer than ``SUSTAIN_S`` when that attempt was sent (*no evidence*): the
  operation may have been back long before. It was back by the end of that attempt, which bounds the
  RTO from above (``at_most_s``). While any attempt is in flight, somebody tries.

An attempt that the end of the load cut off had not succeeded in all the time it was given: sent
within the window, it counts as not successful.

**Waited.** A request counts by its *intended* time: if it hung from before the fault, its user has
waited since then. The wait ends with the first success of any of its attempts. Probes are no users.

**Ledger**, in the spirit of Jepsen's set checker. *Acknowledged* writes must be there. *Lost* =
acknowledged and not found. An *unknown* write may be there or not, and is never lost, found or not.
A *refused* write should not be there; one that is found is reported, not lost.

**RPO** in seconds = landing minus acknowledgement of the oldest lost write, at least 0, and 0 when
nothing is lost. A lost write that was acknowledged after the landing is lost all the same. Only
writes acknowledged before the landing are at risk: without any there is no RPO, nor without a
landing, nor with a ledger that was not read back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from load.settings import PROBE_JOURNEY

Operation = Literal["read", "write", "chat"]

OPERATIONS: Final[dict[Operation, str]] = {"read": "lookup", "write": "note", "chat": "chat"}
SUSTAIN_S: Final = 10.0


@dataclass(frozen=True)
class Recovery:
    """Whether and when an operation recovered.

    Attributes:
        time_s: The RTO in seconds, or None.
        idle_s: How long nobody had tried when the attempt that recovered was sent; the true
            recovery may be earlier by so much.
        at_most_s: Bound of an RTO that was not seen because nobody tried.
    """

    state: Literal["recovered", "no fault", "never", "unobserved", "no evidence"]
    time_s: float | None = None
    idle_s: float | None = None
    at_most_s: float | None = None

    @property
    def settled(self) -> bool:
        """Whether watching longer can't change the answer."""
        return self.state in {"recovered", "no evidence"}


@dataclass(frozen=True)
class Waits:
    """What users felt: requests that were waiting at some time between landing and recovery.

    ``longest_s`` is the longest wait of those that were answered in the end, None without any.
    """

    requests: int
    unanswered: int
    longest_s: float | None


@dataclass(frozen=True)
class Reconciliation:
    """The ledger against the database. ``lost``, ``rpo_s`` and ``…_found`` are None when unread."""

    acknowledged: int
    unknown: int
    refused: int
    lost: int | None
    unknown_found: int | None
    refused_found: int | None
    rpo_s: float | None


def recovery(
    requests: pd.DataFrame, operation: Operation, landed_s: float, until_s: float
) -> Recovery:
    """When ``operation`` recovered, by the definition above.

    Args:
        requests: The ``requests`` table, in any order.
        operation: Which operation.
        landed_s: When the fault landed; NaN when no fault was confirmed.
        until_s: Until when the load ran: later windows were not observed.
    """
    if math.isnan(landed_s):
        return Recovery("no fault")
    mine = requests[(requests["operation"] == OPERATIONS[operation])]
    mine = mine[mine["finished_s"] >= landed_s].sort_values("finished_s")
    sent_s = mine["sent_s"].to_numpy()
    finished_s = mine["finished_s"].to_numpy()
    succeeded = (mine["outcome"] == "ok").to_numpy()
    for began_s, end_s in zip(
        sent_s[succeeded & (sent_s >= landed_s)], finished_s[succeeded & (sent_s >= landed_s)],
        strict=True,
    ):  # fmt: skip
        in_window = (sent_s > end_s) & (sent_s <= end_s + SUSTAIN_S)
        if not succeeded[in_window].all():
            continue
        if end_s + SUSTAIN_S > until_s:
            return Recovery("unobserved")
        last_tried_s = max(finished_s[sent_s < began_s], default=landed_s)
        idle_s = max(0.0, float(began_s - max(last_tried_s, landed_s)))
        if not in_window.any():
            return Recovery("no evidence", idle_s=idle_s)
        time_s = float(end_s - landed_s)
        if idle_s > SUSTAIN_S:
            return Recovery("no evidence", idle_s=idle_s, at_most_s=time_s)
        return Recovery("recovered", time_s, idle_s)
    return Recovery("never")


def waits(
    requests: pd.DataFrame, operation: Operation, landed_s: float, recovered_s: float
) -> Waits:
    """How long the users waited whose requests the outage [landed_s, recovered_s] touched."""
    asked = requests[requests["journey"] != PROBE_JOURNEY]
    mine = asked[asked["operation"] == OPERATIONS[operation]]
    answered = mine[mine["outcome"] == "ok"].groupby("request_id")["finished_s"].min()
    intended = mine.groupby("request_id")["intended_s"].min()
    ended = answered.reindex(intended.index).fillna(math.inf)
    touched = (intended <= recovered_s) & (ended >= landed_s)
    waited_s = (ended - intended)[touched]
    finite_s = waited_s[np.isfinite(waited_s)]
    return Waits(
        requests=int(touched.sum()),
        unanswered=int(len(waited_s) - len(finite_s)),
        longest_s=float(finite_s.max()) if len(finite_s) else None,
    )


def reconcile(ledger: pd.DataFrame, landed_s: float) -> Reconciliation:
    """Compare what was promised with what was found, by the definitions above.

    Args:
        ledger: The ``ledger`` table; it counts as unread when any ``found`` is missing.
        landed_s: When the fault landed; NaN when it never did.
    """
    outcome = ledger["outcome"]
    acknowledged, unknown, refused = (
        outcome == word for word in ("acknowledged", "unknown", "refused")
    )
    counts = (int(acknowledged.sum()), int(unknown.sum()), int(refused.sum()))
    if ledger.empty or ledger["found"].isna().any():
        return Reconciliation(*counts, None, None, None, None)
    found = ledger["found"].astype(bool)
    lost = ledger.loc[acknowledged & ~found, "acknowledged_s"]
    at_risk = acknowledged & (ledger["acknowledged_s"] < landed_s)
    rpo_s: float | None = None
    if at_risk.any():
        rpo_s = max(0.0, float(landed_s - lost.min())) if len(lost) else 0.0
    return Reconciliation(
        *counts,
        lost=len(lost),
        unknown_found=int((unknown & found).sum()),
        refused_found=int((refused & found).sum()),
        rpo_s=rpo_s,
    )
