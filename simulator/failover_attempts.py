"""What becomes of requests sent during a failover: when they fail, when they are served.

An attempt's end follows from when it was sent and from the recovery, so that a whole population's
attempts are a few array operations instead of events.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from architecture.design import Design
from architecture.workload import RequestName
from simulator.failover import Recovery
from simulator.failover_terms import EDGE_RETRY_DELAY_S, EDGE_TRIES, Terms
from simulator.streams import FloatArray

BoolArray = npt.NDArray[np.bool_]

MOST_TRIES = 10_000


def served_s(
    design: Design, terms: Terms, recovery: Recovery, request: RequestName, sent_s: FloatArray
) -> FloatArray:
    """When requests first sent at ``sent_s``, and sent again whenever they fail, are served.

    Seconds after the fault; the time they are then worked on is not in it. Infinite for never.
    ``sent_s`` is negative for a request under way at the fault. The client's limit of attempts is
    taken to outlast the outage.
    """
    ready_s = recovery.rerouted_s
    needs_database = design.workload.demands[request].needs_database
    if needs_database:
        ready_s = max(ready_s, recovery.connected_s)
    if math.isinf(ready_s):
        return np.full(len(sent_s), math.inf)
    client = design.workload.client
    timeout_s = client.chat_timeout_s if request == "chat" else client.timeout_s
    served = np.full(len(sent_s), math.nan)
    sent = np.array(sent_s, dtype=float)
    open_ = np.ones(len(sent), dtype=bool)
    for _ in range(MOST_TRIES):
        at_api, failed = _through_edge(design, terms, recovery.rerouted_s, sent, timeout_s)
        begun = at_api
        if needs_database:
            begun, failed = _in_api(
                design, recovery.connected_s, at_api, failed=failed, sent=sent, timeout_s=timeout_s
            )
        arrived = open_ & ~np.isnan(begun)
        served[arrived] = begun[arrived]
        open_ &= ~arrived
        if not open_.any():
            break
        sent = np.where(open_, failed + client.retry_backoff_s, sent)
    return served


def _through_edge(
    design: Design, terms: Terms, rerouted_s: float, sent: FloatArray, timeout_s: float
) -> tuple[FloatArray, FloatArray]:
    """When requests reach a living API (NaN for never), and when the others fail."""
    if not terms.api_struck:
        # Nothing on the request's way was struck; what was under way goes on.
        return np.maximum(sent, 0.0), np.full(len(sent), math.nan)
    late = sent >= rerouted_s
    if not terms.silent:
        return _refused_at_edge(rerouted_s, sent, late)
    check = design.edge.api_check
    gives_up = sent + timeout_s
    if not check.close_sessions_when_down:
        ends = gives_up
    else:
        tries = np.ceil(np.maximum(rerouted_s - sent, 0.0) / check.timeout_s)
        connecting = sent + check.timeout_s * np.clip(tries, 1, EDGE_TRIES)
        ends = np.minimum(gives_up, np.where(sent < 0, rerouted_s, connecting))
    return np.where(late, sent, math.nan), ends


def _refused_at_edge(
    rerouted_s: float, sent: FloatArray, late: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """The balancer itself tries again, and for the last time wherever a server is up."""
    last_try = sent + (EDGE_TRIES - 1) * EDGE_RETRY_DELAY_S
    saved = (sent >= 0) & (last_try >= rerouted_s) & (last_try - EDGE_RETRY_DELAY_S < rerouted_s)
    at_api = np.where(late, sent, np.where(saved, last_try, math.nan))
    return at_api, np.where(sent < 0, 0.0, last_try)


def _in_api(
    design: Design, connected_s: float, at_api: FloatArray, *, failed: FloatArray,
    sent: FloatArray, timeout_s: float,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """The API holds a request until it has a connection or its own time-out ends."""
    gives_up = np.minimum(at_api + design.api.request_timeout_s, sent + timeout_s)
    begun = np.maximum(at_api, connected_s)
    begun = np.where(begun <= gives_up, begun, math.nan)
    return begun, np.where(np.isnan(at_api), failed, gives_up)
