"""What Prometheus reads: requests by route and status, and the state of the database lanes."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reference_stack.api.lane import Lane

EXPOSITION_MEDIA_TYPE = "text/plain; version=0.0.4"

# From a shallow check's millisecond to a chat of a minute; 5 s is the usual request timeout.
LATENCY_BUCKETS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class LaneCollector(Collector):
    """Reads psycopg_pool's statistics at each scrape."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._lanes = tuple(lanes)

    def collect(self) -> Iterator[Metric]:
        size = GaugeMetricFamily(
            "prontuario_api_database_pool_connections",
            "Connections open, in use or being opened",
            labels=["lane"],
        )
        available = GaugeMetricFamily(
            "prontuario_api_database_pool_available", "Idle connections", labels=["lane"]
        )
        waiting = GaugeMetricFamily(
            "prontuario_api_database_pool_waiting",
            "Requests waiting for a connection",
            labels=["lane"],
        )
        lost = CounterMetricFamily(
            "prontuario_api_database_connections_lost",
            "Connections found dead and replaced",
            labels=["lane"],
        )
        for lane in self._lanes:
            statistics = lane.statistics()
            size.add_metric([lane.name], statistics.get("pool_size", 0))
            available.add_metric([lane.name], statistics.get("pool_available", 0))
            waiting.add_metric([lane.name], statistics.get("requests_waiting", 0))
            lost.add_metric([lane.name], statistics.get("returns_bad", 0))
        yield from (size, available, waiting, lost)


class Metrics:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LaneCollector(lanes))
        labels = ["method", "route", "status"]
        self._requests = Counter(
            "prontuario_api_requests", "Requests answered", labels, registry=self._registry
        )
        self._latency = Histogram(
            "prontuario_api_request_duration_seconds",
            "From the request's arrival to the last byte of its answer",
            labels,
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )

    def observe(self, *, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request; `route` is the template (``/v1/patients/{patient_id}``)."""
        labels = (method, route, str(status))
        self._requests.labels(*labels).inc()
        self._latency.labels(*labels).observe(duration_s)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)
