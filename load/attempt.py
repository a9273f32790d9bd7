"""One attempt at one request, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from architecture.workload import RequestName

Outcome = Literal["ok", "refused", "unknown", "failed"]

#: ``error`` of an attempt that was cut off because the load ended: it says nothing of the system.
STOPPED: Final = "stopped"

OUTCOME_UNKNOWN: Final = "outcome-unknown"
_UNAUTHORISED = 401
_TOO_MANY = 429
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of the ``requests`` table; :mod:`load.listener` says what each column means."""

    request_id: str
    user: int
    journey: str
    operation: RequestName
    attempt: int
    intended_s: float
    sent_s: float
    first_byte_s: float
    finished_s: float
    outcome: Outcome
    status: int
    site: str
    mode: str
    tokens: int
    error: str
    endpoint: str = ""


def outcome_of_status(status: int, problem: str) -> Outcome:
    """What a complete HTTP answer says of the request's fate.

    A client error, or a 503, is a clear no, unless the service itself says that it does not know
    (RFC 9457 problem type ``outcome-unknown``). Any other 5xx leaves the fate open: 500 may follow
    a commit, 502 and 504 are the balancer's words for "sent, but no answer came".

    Args:
        status: HTTP status.
        problem: The problem document's ``type``, or an empty string.
    """
    if 200 <= status < 300:  # noqa: PLR2004
        return "ok"
    if problem == OUTCOME_UNKNOWN:
        return "unknown"
    return "refused" if status < 500 or status == _UNAVAILABLE else "unknown"  # noqa: PLR2004


def worth_repeating(outcome: Outcome, status: int) -> bool:
    """Whether the same request may fare better in a moment: not after a clear no to its content."""
    if outcome == "refused":
        return status in {_UNAUTHORISED, _TOO_MANY, _UNAVAILABLE}
    return outcome != "ok"
