"""How long work takes here, and so when to come back."""

from __future__ import annotations

# Weight of the newest piece of work in the running mean.
_SMOOTHING = 0.2
_UNKNOWN_S = 1.0
_LONGEST_RETRY_AFTER_S = 60.0


class Pace:
    """The running mean of the times that pieces of work took, in seconds."""

    def __init__(self) -> None:
        self._mean_s: float | None = None

    def learn(self, seconds: float) -> None:
        """A piece of work took so long."""
        mean_s = self._mean_s
        self._mean_s = seconds if mean_s is None else mean_s + _SMOOTHING * (seconds - mean_s)

    def retry_after_s(self, ahead: float) -> float:
        """When so many pieces of work, one after another, should be done; at most a minute."""
        mean_s = _UNKNOWN_S if self._mean_s is None else self._mean_s
        return min(ahead * mean_s, _LONGEST_RETRY_AFTER_S)
