"""A queue by rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any

from simulator.stations.base import Ticket

Rank = Callable[[Any], int]


class PriorityQueue:
    """The lowest rank goes first; within a rank, first come, first served.

    Args:
        rank: The rank of a customer (its token); it must not change while the customer waits.
    """

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._heap: list[tuple[int, int, Ticket]] = []
        self._last = self._first = 0

    def append(self, ticket: Ticket, /) -> None:
        """A customer joins behind those of its rank."""
        self._last += 1
        heappush(self._heap, (self._rank(ticket[3]), self._last, ticket))

    def appendleft(self, ticket: Ticket, /) -> None:
        """A customer joins before those of its rank."""
        self._first -= 1
        heappush(self._heap, (self._rank(ticket[3]), self._first, ticket))

    def popleft(self) -> Ticket:
        """The next to be served leaves the queue."""
        return heappop(self._heap)[2]

    def clear(self) -> None:
        """Everybody leaves."""
        self._heap.clear()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Ticket]:
        """The tickets in the order in which they would be served."""
        return (ticket for _, _, ticket in sorted(self._heap, key=lambda entry: entry[:2]))
