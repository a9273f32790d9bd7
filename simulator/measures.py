"""What a station keeps count of."""

from __future__ import annotations


class StationMeasures:
    """Time averages and waits of one station since the last :meth:`reset`. Times are seconds."""

    __slots__ = ("busy_s", "customers", "elapsed_s", "queue_s", "since_s", "waited_s")

    def __init__(self, now: float) -> None:
        self.reset(now)

    def reset(self, now: float) -> None:
        """Forget everything before ``now``."""
        self.since_s = now
        self.elapsed_s = 0.0
        self.busy_s = 0.0
        self.queue_s = 0.0
        self.customers = 0
        self.waited_s = 0.0

    def add_time(self, elapsed_s: float, busy_share: float, waiting: float) -> None:
        """For ``elapsed_s`` a share of the servers was busy and so many customers waited."""
        self.elapsed_s += elapsed_s
        self.busy_s += elapsed_s * busy_share
        self.queue_s += elapsed_s * waiting

    def add_customer(self, waited_s: float) -> None:
        """A customer waited so long (on a processor: so much longer than alone)."""
        self.customers += 1
        self.waited_s += waited_s

    @property
    def utilisation(self) -> float:
        """Share of the servers' time that was busy."""
        return self.busy_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def queue_length(self) -> float:
        """Mean number of waiting customers."""
        return self.queue_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def wait_s(self) -> float:
        """Mean wait of a customer."""
        return self.waited_s / self.customers if self.customers else 0.0
