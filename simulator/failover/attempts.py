"""What becomes of requests sent during a failover: when they fail, when they are served.

An attempt's end follows from when it was sent and from the recovery, so that a whole population's
attempts are a few array operations instead of events.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from architecture.design import Design
from architecture.workload import RequestName
from simulator.failover.checks import failed_check_s
from simulator.failover.delays import EDGE_RETRY_DELAY_S, EDGE_TRIES
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms
from simulator.failover.ways import BoolArray, IntArray, Ways, ways_in
from simulator.streams import FloatArray

#: Given how many clients and how often each has failed, their pauses before they try again.
Pauses = Callable[[int, int], FloatArray]

MOST_TRIES = 10_000
#: Of a long outage only the last tries before its end are followed one by one.
FOLLOWED_S = 30.0


@dataclass
class Tried:
    """How requests fared.

    Attributes:
        served: When each was taken up, seconds after the fault (infinite for never); the time it is
            then worked on is not in it.
        sent: When the attempt was sent that succeeded.
        failures: When attempts were sent that failed, in no order.
    """

    served: FloatArray
    sent: FloatArray
    failures: list[FloatArray] = field(default_factory=list)


def until_served(
    design: Design, terms: Terms, recovery: Recovery, request: RequestName, sent_s: FloatArray,
    *, pauses: Pauses, ways: Ways | None = None, who: IntArray | None = None,
) -> Tried:  # fmt: skip
    """Requests first sent at ``sent_s``, and sent again whenever they fail.

    ``sent_s`` is negative for a request under way at the fault. The client's limit of attempts is
    taken to outlast the outage.

    Args:
        design: Client, limits and checks.
        terms: The fault, resolved.
        recovery: When each part of the way is whole again.
        request: What is sent.
        sent_s: First attempts, seconds after the fault.
        pauses: Pauses before trying again.
        ways: What the clients know of the ways in; fresh clients when left out.
        who: Numbers of the clients in ``ways``.
    """
    count = len(sent_s)
    ways = Ways(design, terms, recovery, count) if ways is None else ways
    who = np.arange(count) if who is None else who
    path = _Path(design, terms, recovery, request)
    tried = Tried(np.full(count, math.inf), np.full(count, math.nan))
    if path.never:
        tried.failures.append(np.asarray(sent_s, dtype=float))
        return tried
    sent = np.array(sent_s, dtype=float)
    open_ = np.arange(count)
    for number in range(1, MOST_TRIES + 1):
        begun, failed = path.attempt(ways, who[open_], sent[open_])
        arrived = ~np.isnan(begun)
        done = open_[arrived]
        tried.served[done], tried.sent[done] = begun[arrived], sent[done]
        tried.failures.append(sent[open_[~arrived]])
        open_ = open_[~arrived]
        if not len(open_):
            break
        again = failed[~arrived] + pauses(len(open_), number)
        sent[open_] = path.skip(again)
    return tried


def never_served(design: Design, terms: Terms, recovery: Recovery, request: RequestName) -> bool:
    """Whether nothing in the design ever serves this kind of request again."""
    return _Path(design, terms, recovery, request).never


class _Path:
    """One kind of request on its way to where it is worked on."""

    def __init__(
        self, design: Design, terms: Terms, recovery: Recovery, request: RequestName
    ) -> None:
        demand = design.workload.demands[request]
        client = design.workload.client
        self._design, self._terms, self._recovery = design, terms, recovery
        self._idempotent = request in {"login", "lookup", "search"} or demand.commits == 0
        self._timeout_s = client.chat_timeout_s if request == "chat" else client.timeout_s
        self._ready_s = 0.0
        if demand.needs_database:
            self._ready_s = recovery.writes_s if demand.commits else recovery.reads_s
        self._model_s = recovery.chat_s if request == "chat" else recovery.api_s
        unreachable = math.isinf(recovery.takeover_s) and ways_in(design) <= terms.dead_ways
        self.never = unreachable or math.isinf(max(recovery.api_s, self._model_s, self._ready_s))

    def attempt(self, ways: Ways, who: IntArray, sent: FloatArray) -> tuple[FloatArray, FloatArray]:
        """When attempts are taken up (NaN for never), and when the others fail."""
        at_edge, lost = ways.through(who, sent, self._timeout_s, idempotent=self._idempotent)
        if self._terms.api_struck:
            at_api, failed = self._through_edge(sent)
        else:
            at_api, failed = at_edge, lost
        if self._terms.fault == "inference-crash":
            at_api, failed = self._refused_by_api(at_api, failed)
        return self._in_api(at_api, failed, sent)

    def skip(self, again: FloatArray) -> FloatArray:
        """Leave the many tries of a long outage out; those near its end decide."""
        late_s = max(self._recovery.api_s, self._model_s, self._ready_s) - FOLLOWED_S
        jump = again < late_s - FOLLOWED_S
        return np.where(jump, late_s + np.mod(again, FOLLOWED_S / 2), again)

    def _through_edge(self, sent: FloatArray) -> tuple[FloatArray, FloatArray]:
        rerouted_s = self._recovery.api_s
        late: BoolArray = sent >= rerouted_s
        if self._terms.response == "refused":
            return _refused_at_edge(rerouted_s, sent, late)
        check = self._design.edge.api_check
        gives_up = sent + self._timeout_s
        if not check.close_sessions_when_down:
            ends = gives_up
        elif self._terms.response == "hung":
            ends = np.minimum(gives_up, rerouted_s)
        else:
            failed_s = failed_check_s(check, silent=True)
            tries = np.ceil(np.maximum(rerouted_s - sent, 0.0) / failed_s)
            connecting = sent + failed_s * np.clip(tries, 1, EDGE_TRIES)
            ends = np.minimum(gives_up, np.where(sent < 0, rerouted_s, connecting))
        return np.where(late, sent, math.nan), ends

    def _refused_by_api(
        self, at_api: FloatArray, failed: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Without its model an API refuses a chat at once; one under way breaks off."""
        refused = at_api < self._model_s
        return np.where(refused, math.nan, at_api), np.where(refused, at_api, failed)

    def _in_api(
        self, at_api: FloatArray, failed: FloatArray, sent: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The API holds a request until it can be served or its own time-out ends."""
        ready_s, begins_s = self._ready_s, self._recovery.begins_s
        served_at_once = (at_api < begins_s) if begins_s > 0 else np.zeros(len(sent), np.bool_)
        begun = np.where(served_at_once, at_api, np.maximum(at_api, ready_s))
        gives_up = np.minimum(at_api + self._design.api.request_timeout_s, sent + self._timeout_s)
        if not self._recovery.stalls:
            gives_up = at_api
        begun = np.where(begun <= gives_up, begun, math.nan)
        return begun, np.where(np.isnan(at_api), failed, gives_up)


def _refused_at_edge(
    rerouted_s: float, sent: FloatArray, late: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """The balancer itself tries again, and for the last time wherever a server is up."""
    last_try = sent + (EDGE_TRIES - 1) * EDGE_RETRY_DELAY_S
    saved = (sent >= 0) & (last_try >= rerouted_s) & (last_try - EDGE_RETRY_DELAY_S < rerouted_s)
    at_api = np.where(late, sent, np.where(saved, last_try, math.nan))
    return at_api, np.where(sent < 0, 0.0, last_try)
