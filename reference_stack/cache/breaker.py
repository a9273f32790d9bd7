"""A circuit breaker: after a few failures in a row nobody asks any more, so waiting costs nothing.

A closed breaker lets calls pass. `failures_to_open` failures in a row open it; only
:meth:`Breaker.close` closes it again. That is for a probe in the background to do, so that no
user's request is ever spent on finding out whether the other side is back.
"""

from __future__ import annotations


class Breaker:
    """Counts failures in a row; starts open, since nothing has answered yet."""

    def __init__(self, failures_to_open: int) -> None:
        self._failures_to_open = failures_to_open
        self._failures = 0
        self.is_closed = False
        self.times_opened = 0

    def close(self) -> None:
        """The other side has answered: ask it again."""
        self._failures = 0
        self.is_closed = True

    def succeeded(self) -> None:
        """A call was answered."""
        self._failures = 0

    def failed(self) -> bool:
        """A call failed; returns whether that opened the breaker."""
        self._failures += 1
        if self.is_closed and self._failures >= self._failures_to_open:
            self.open()
            return True
        return False

    def open(self) -> None:
        """Ask no more until :meth:`close`."""
        if self.is_closed:
            self.times_opened += 1
        self.is_closed = False
