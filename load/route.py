"""Which of the system's ways in a client uses, and when it changes: pure state, no network.

The rule is an app's on a phone. A client stays with the way in that works. One to which no
connection opens is tried again with each attempt, and left for the next of the list (after the
last comes the first) once it has failed for ``leave_after_s``: long enough for the balancers'
shared address to move, so that losing one balancer sends nobody into emergency mode. A client that
is not at the first of the list looks every ``return_after_s`` whether an earlier one is back.

Only connections count. A request that is not answered says nothing of the way in: what is slow may
stand behind it. Its connection is closed, and opening the next one shows whether the way is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

Clock = Callable[[], float]


class Route:
    """One client's choice among ``urls``, in the order of preference."""

    def __init__(
        self, urls: Sequence[str], *, leave_after_s: float, return_after_s: float,
        clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        self._urls = tuple(urls)
        self._leave_after_s = leave_after_s
        self._return_after_s = return_after_s
        self._clock = clock
        self._index = 0
        self._failing_since_s: float | None = None
        self._look_back_s = clock()

    @property
    def url(self) -> str:
        """The way in to use now."""
        return self._urls[self._index]

    def opened(self) -> None:
        """A connection to :attr:`url` is open."""
        self._failing_since_s = None

    def failed(self, began_s: float) -> bool:
        """A connection to :attr:`url`, tried since ``began_s``, did not open.

        True when that made :attr:`url` another, which is worth trying at once.
        """
        if self._failing_since_s is None:
            self._failing_since_s = began_s
        if self._clock() - self._failing_since_s < self._leave_after_s or len(self._urls) == 1:
            return False
        self._take((self._index + 1) % len(self._urls))
        return True

    def better(self) -> tuple[str, ...]:
        """Earlier ways in that it is time to look at; the next look is due after a while."""
        if self._index == 0 or self._clock() < self._look_back_s:
            return ()
        self._look_back_s = self._clock() + self._return_after_s
        return self._urls[: self._index]

    def back_to(self, url: str) -> None:
        """Use ``url``, which is open again."""
        self._take(self._urls.index(url))

    def _take(self, index: int) -> None:
        self._index = index
        self._failing_since_s = None
        self._look_back_s = self._clock() + self._return_after_s
