"""Watches a failover from the side: Patroni, every balancer and etcd, a row for each change.

Every target has a thread of its own, so that a silent one delays no other. A row's time is when the
answer that showed the change had arrived; the change itself lies up to one interval (and, for
silence, one time-out) earlier.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final, Self

import pandas as pd

from chaos.sights import Look, Sight, balancer_look, etcd_look, patroni_look
from reference_stack.handle import StackHandle

POLL_S: Final = 0.2
ETCD_POLL_S: Final = 0.5
EVENT_TYPES: Final = {"time_s": "float64", "source": "str", "event": "str", "detail": "str"}


@dataclass(frozen=True)
class Event:
    """One row of the ``events`` table; ``time_s`` is CLOCK_MONOTONIC."""

    time_s: float
    source: str
    event: str
    detail: str = ""


def events_table(events: Iterable[Event]) -> pd.DataFrame:
    """The ``events`` table, in order of time."""
    rows = [asdict(event) for event in sorted(events, key=lambda event: event.time_s)]
    return pd.DataFrame(rows, columns=list(EVENT_TYPES)).astype(EVENT_TYPES)


class Observer:
    """Polls a stack in the background while its block runs."""

    def __init__(self, handle: StackHandle) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(look, every_s), daemon=True)
            for look, every_s in _looks(handle)
        ]

    def note(self, event: Event) -> None:
        """Add an event that something else saw."""
        with self._lock:
            self._events.append(event)

    def events(self) -> list[Event]:
        """What was seen so far."""
        with self._lock:
            return list(self._events)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, look: Look, every_s: float) -> None:
        before: Sight = {}
        while not self._done.wait(every_s):
            now = look()
            time_s = time.monotonic()
            for event in changes(before, now, time_s):
                self.note(event)
            before = now


def changes(before: Sight, now: Sight, time_s: float) -> list[Event]:
    """Events for what is new or different; what is no longer spoken of is no change."""
    return [
        Event(time_s, source, event, detail)
        for (source, thing), (event, detail) in now.items()
        if before.get((source, thing)) != (event, detail)
    ]


def _looks(handle: StackHandle) -> Iterator[tuple[Look, float]]:
    for site in handle.hospital_sites:
        yield patroni_look(site, handle.endpoint(site, "patroni")), POLL_S
    for site in handle.design.sites_with("balancer"):
        yield balancer_look(site, handle.endpoint(site, "balancer-stats")), POLL_S
    consensus = handle.design.database.consensus
    if consensus is not None:
        # The preferred leader first: it is the member that the faults leave alone.
        voters = sorted(consensus.voters, key=lambda voter: voter != consensus.preferred_leader)
        yield etcd_look([handle.endpoint(voter, "etcd") for voter in voters]), ETCD_POLL_S
