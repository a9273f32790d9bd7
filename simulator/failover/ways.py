"""Clients whose way in is gone: how each finds out by itself, and leaves for the next one.

A client keeps its connection open between requests, so its first request after the fault goes into
a dead one. After that it opens connections: one that does not open within ``connect_timeout_s`` has
failed, and a way in that has failed for ``leave_after_s`` is left for the next at once. The rule is
that of the app, see :mod:`architecture.workload`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from architecture.design import Design
from simulator.failover.delays import RETRANSMISSION_S, SYN_RETRY_S
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms
from simulator.streams import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

RETRANSMISSIONS = 12


class Ways:
    """What each of a population's clients knows of the ways in; changes as they try."""

    def __init__(self, design: Design, terms: Terms, recovery: Recovery, clients: int) -> None:
        self._client = design.workload.client
        self._dead = terms.dead_ways
        self._takeover_s = recovery.takeover_s
        self._leads_on = terms.dead_ways < ways_in(design)
        self._kept: BoolArray = np.full(clients, terms.dead_ways > 0)
        self._way: IntArray = np.zeros(clients, dtype=np.int64)
        self._failing_since = np.full(clients, math.nan)

    def through(
        self, who: IntArray, sent: FloatArray, timeout_s: float, *, idempotent: bool
    ) -> tuple[FloatArray, FloatArray]:
        """When attempts reach a balancer that answers (NaN for never), and when the others fail.

        Args:
            who: Numbers of the clients.
            sent: When each sends; negative for a request under way at the fault.
            timeout_s: Of the whole attempt.
            idempotent: Whether one that finds its old connection closed is sent again at once.
        """
        if self._dead == 0:
            # No balancer is lost: what was under way has arrived.
            return np.maximum(sent, 0.0), np.full(len(sent), math.nan)
        at_edge = np.full(len(sent), math.nan)
        failed = np.full(len(sent), math.nan)
        kept = self._kept[who]
        at_edge[kept], failed[kept] = self._on_kept(sent[kept], timeout_s, idempotent=idempotent)
        self._kept[who] = False
        opening = np.flatnonzero(~kept)
        at_edge[opening], failed[opening] = self._by_opening(who[opening], sent[opening])
        return at_edge, failed

    def _on_kept(
        self, sent: FloatArray, timeout_s: float, *, idempotent: bool
    ) -> tuple[FloatArray, FloatArray]:
        """The heir of an address answers a segment of a connection it does not know with a reset.

        What had arrived before the fault is not sent again, so its client waits in vain.
        """
        reset = np.where(sent < 0, math.inf, self._reset_s(sent))
        gives_up = sent + timeout_s
        ended = np.minimum(reset, gives_up)
        if idempotent:
            again = reset < gives_up
            return np.where(again, reset, math.nan), np.where(again, math.nan, gives_up)
        return np.full(len(sent), math.nan), ended

    def _reset_s(self, sent: FloatArray) -> FloatArray:
        if math.isinf(self._takeover_s):
            return np.full(len(sent), math.inf)
        steps = RETRANSMISSION_S * (2.0 ** np.arange(RETRANSMISSIONS) - 1)
        times = sent[:, None] + steps[None, :]
        heard = np.where(times >= self._takeover_s, times, math.inf)
        earliest: FloatArray = heard.min(axis=1)
        return earliest

    def _by_opening(self, who: IntArray, sent: FloatArray) -> tuple[FloatArray, FloatArray]:
        at_edge, failed = self._open_once(who, sent)
        left = ~np.isnan(failed) & self._gives_up(who, sent, failed)
        # The next way in is worth trying at once.
        leaving = np.flatnonzero(left)
        if len(leaving):
            self._way[who[leaving]] += 1
            self._failing_since[who[leaving]] = math.nan
            second_at, second_failed = self._open_once(who[leaving], failed[leaving])
            began = failed[leaving]
            at_edge[leaving], failed[leaving] = second_at, second_failed
            gone = ~np.isnan(second_failed) & self._gives_up(who[leaving], began, second_failed)
            self._way[who[leaving][gone]] += 1
            self._failing_since[who[leaving][gone]] = math.nan
        return at_edge, failed

    def _open_once(self, who: IntArray, sent: FloatArray) -> tuple[FloatArray, FloatArray]:
        alive = self._way[who] >= self._dead
        taken = sent >= self._takeover_s
        by_syn = ~taken & (sent + SYN_RETRY_S >= self._takeover_s)
        by_syn &= self._client.connect_timeout_s > SYN_RETRY_S
        at_edge = np.where(alive | taken, sent, np.where(by_syn, sent + SYN_RETRY_S, math.nan))
        failed = np.where(np.isnan(at_edge), sent + self._client.connect_timeout_s, math.nan)
        fresh = np.isnan(self._failing_since[who]) & ~np.isnan(failed)
        self._failing_since[who[fresh]] = sent[fresh]
        opened = ~np.isnan(at_edge)
        self._failing_since[who[opened]] = math.nan
        return at_edge, failed

    def _gives_up(self, who: IntArray, _sent: FloatArray, failed: FloatArray) -> BoolArray:
        if not self._leads_on:
            return np.zeros(len(who), dtype=np.bool_)
        patient: BoolArray = failed - self._failing_since[who] < self._client.leave_after_s
        return ~patient


def ways_in(design: Design) -> int:
    """Ways in that clients know: the shared address or each balancer, then the cloud's own."""
    balancers = len(design.sites_with("balancer"))
    hospital = balancers if design.edge.shared_address is None else min(balancers, 1)
    return hospital + (design.emergency is not None)
