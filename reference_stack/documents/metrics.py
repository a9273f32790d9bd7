"""What the service counts and times, in Prometheus's terms; durations are in seconds."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DURABILITIES = ("both-nodes", "one-node", "bucket")


class DocumentMetrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._stored = self._counter("stored", "Versions acknowledged", "durability")
        for durability in _DURABILITIES:
            # A series that starts at its first event hides that event from `increase`.
            self._stored.labels(durability)
        self.replication = self._histogram(
            "replication", "From a version on this disk to its copy confirmed by the other node"
        )
        self.upload = self._histogram("upload", "One version's upload to the bucket")
        self.corrupted = self._counter("corrupted", "Contents found damaged on this disk")
        self.repaired = self._counter("repaired", "Contents mended from another place")
        self.scrubbed = self._counter("scrubbed", "Contents checked by the scrubber")
        self.pulled = self._counter("pulled", "Versions fetched while catching up")
        self.pushed = self._counter("pushed", "Versions given to the other node while catching up")
        self.discarded = self._counter("discarded", "Versions thrown away by 'primary-wins'")
        self.rsync = self._histogram("rsync_run", "One run of rsync, both ways")
        self.rsync_failed = self._counter("rsync_failed", "Runs of rsync that failed")

    def stored(self, durability: str) -> None:
        """A version was acknowledged."""
        self._stored.labels(durability).inc()

    def watch(
        self, *, degraded: Callable[[], bool], outbox: Callable[[], int],
        oldest_s: Callable[[], float],
    ) -> None:  # fmt: skip
        """Read the gauges from the service at every scrape."""
        for name, text, value in (
            ("degraded", "1 while a version is acknowledged by one node only", degraded),
            ("outbox_size", "Versions that the bucket is not known to have", outbox),
            ("outbox_oldest_seconds", "Age of the oldest of them, 0 when there is none", oldest_s),
        ):
            gauge = Gauge(f"documents_{name}", text, registry=self._registry)
            gauge.set_function(lambda value=value: float(value()))  # type: ignore[misc]

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"documents_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"documents_{name}_seconds", text, buckets=_BUCKETS_S, registry=self._registry
        )
