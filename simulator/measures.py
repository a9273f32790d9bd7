"""What a station keeps count of."""

from __future__ import annotations


class ConservationError(AssertionError):
    """Customers appeared or vanished: the model is wrong."""


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

    def add_totals(
        self, *, until_s: float, busy_s: float, server_s: float, queue_s: float, waited_s: float,
        customers: int,
    ) -> None:  # fmt: skip
        """What has come about since the last such report, or since the reset.

        Args:
            until_s: The simulation's clock.
            busy_s: Time in service, summed over the servers.
            server_s: Time of servers, busy or not, summed over them.
            queue_s: Time in queue, summed over everybody who waited.
            waited_s: The same of those who began their service.
            customers: How many of them.
        """
        elapsed_s = until_s - self.since_s - self.elapsed_s
        self.elapsed_s += elapsed_s
        self.busy_s += elapsed_s * busy_s / server_s if server_s else 0.0
        self.queue_s += queue_s
        self.customers += customers
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
