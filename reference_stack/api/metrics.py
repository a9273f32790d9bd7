"""What Prometheus reads: requests by route and status, and the state of the database lanes."""

from collections.abc import Iterable, Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reference_stack.api.lane import Lane
from reference_stack.cache.client import CacheClient

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


class CacheCollector(Collector):
    """Reads the state of the way to Redis at each scrape; nothing on a site without."""

    def __init__(self, cache: CacheClient) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        if not self._cache.is_configured:
            return
        breaker = self._cache.breaker
        yield GaugeMetricFamily(
            "prontuario_api_cache_breaker_open",
            "1 while Redis is not asked because it did not answer",
            0 if breaker.is_closed else 1,
        )
        yield CounterMetricFamily(
            "prontuario_api_cache_breaker_opened",
            "Times Redis stopped answering",
            breaker.times_opened,
        )


class Metrics:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self, lanes: Iterable[Lane], cache: CacheClient) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(LaneCollector(lanes))
        self._registry.register(CacheCollector(cache))
        self._lookups = Counter(
            "prontuario_api_cache_lookups",
            "Patient look-ups by what the cache had: hit, miss, or away",
            ["result"],
            registry=self._registry,
        )
        self._limited = Counter(
            "prontuario_api_rate_limited",
            "Requests refused by a rate limit",
            ["limit"],
            registry=self._registry,
        )
        self._audited = Counter(
            "prontuario_api_audit_events",
            "Audit events by where they were safe before the answer: database or disk",
            ["place"],
            registry=self._registry,
        )
        self._emergency_users = Gauge(
            "prontuario_api_emergency_users",
            "Clinicians who hold one of the emergency site's places",
            registry=self._registry,
        )
        self._revoked = Gauge(
            "prontuario_api_revoked_tokens",
            "Sessions known to be logged out before their time",
            registry=self._registry,
        )
        self._revoked_at = Gauge(
            "prontuario_api_revoked_tokens_read_timestamp_seconds",
            "When they were last read from the database",
            registry=self._registry,
        )
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

    def cached(self, result: Literal["hit", "miss", "away"]) -> None:
        """Count one look-up by what the cache had."""
        self._lookups.labels(result).inc()

    def audited(self, place: Literal["database", "disk"]) -> None:
        """Count one audit event by where it was safe first."""
        self._audited.labels(place).inc()

    def emergency_users(self, count: int) -> None:
        """Note how many clinicians hold a place at the emergency site."""
        self._emergency_users.set(count)

    def limited(self, limit: str) -> None:
        """Count one request that a limit refused."""
        self._limited.labels(limit).inc()

    def revocations(self, count: int, read_at_s: float) -> None:
        """Note how many sessions are known to be logged out, and when that was read (Unix)."""
        self._revoked.set(count)
        self._revoked_at.set(read_at_s)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)
