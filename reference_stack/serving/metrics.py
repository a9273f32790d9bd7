"""What every queue of a model service counts and times, in Prometheus's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_WAIT_BUCKETS_S = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40, 80)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32)

#: How a job can end; a series that starts at its first event hides that event from `increase`.
OUTCOMES: Final = (
    "done", "cancelled", "queue_full", "queue_timeout", "draining", "worker_failed",
    "worker_timeout", "unusable_input", "shutting_down",
)  # fmt: skip


class QueueMetrics:
    """The metrics of one work queue; their names begin with `prefix`."""

    def __init__(self, prefix: str, what: str, registry: CollectorRegistry) -> None:
        self._length = Gauge(f"{prefix}_queue_length", f"{what} waiting", registry=registry)
        self._running = Gauge(f"{prefix}_running_requests", f"{what} begun", registry=registry)
        self._wait = Histogram(
            f"{prefix}_queue_wait_seconds",
            "From arrival to the worker",
            buckets=_WAIT_BUCKETS_S,
            registry=registry,
        )
        self._batch = Histogram(
            f"{prefix}_batch_size",
            "Units of work done together",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        )
        self._busy = Counter(
            f"{prefix}_worker_seconds", "Time the worker was at work", registry=registry
        )
        self._ended = Counter(
            f"{prefix}_requests", f"{what} by how they ended", ["outcome"], registry=registry
        )
        for outcome in OUTCOMES:
            self._ended.labels(outcome)

    def watch(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Read the two gauges from the queue at every scrape."""
        self._length.set_function(waiting)
        self._running.set_function(running)

    def waited(self, seconds: float) -> None:
        """A job's first unit was taken."""
        self._wait.observe(seconds)

    def turn(self, units: int, seconds: float) -> None:
        """A turn of so many units is done."""
        self._batch.observe(units)
        self._busy.inc(seconds)

    def ended(self, outcome: str) -> None:
        """A job left the queue."""
        self._ended.labels(outcome).inc()
