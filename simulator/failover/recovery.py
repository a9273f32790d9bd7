"""What a fault leaves of the ways a request goes, until each is whole again."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.failover.terms import TermTimes


@dataclass(frozen=True)
class Recovery:
    """When each part of the way is whole again, seconds after the fault; infinite for never.

    0 for what was never gone.

    Attributes:
        terms: What the way of a write consists of.
        begins_s: Until then the old primary still serves (a planned move).
        takeover_s: A balancer answers at the first way in again.
        api_s: The balancer sends requests to a living API.
        chat_s: It sends chats to an API with a living language model.
        reads_s: That API can read.
        writes_s: That API can write.
        stalls: Whether what can't be served is held by the API until its own time-out (True), or
            refused at once, as by a database that only reads.
    """

    terms: TermTimes
    begins_s: float = 0.0
    takeover_s: float = 0.0
    api_s: float = 0.0
    chat_s: float = 0.0
    reads_s: float = 0.0
    writes_s: float = 0.0
    stalls: bool = True
