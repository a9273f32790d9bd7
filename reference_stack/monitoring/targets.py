"""What Prometheus scrapes: one job for each kind of component, one target for each site of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from architecture.design import Design
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.edge.tls import ways_in
from reference_stack.monitoring import names


@dataclass(frozen=True)
class Target:
    """One place to scrape, with the site it belongs to."""

    site: str
    endpoint: Endpoint


@dataclass(frozen=True)
class Job:
    """Targets of one kind.

    ``only_up``: nothing of a scrape is kept but whether it succeeded, because another job keeps
    the same endpoint's metrics.
    """

    name: str
    targets: tuple[Target, ...]
    only_up: bool = False

    def document(self) -> dict[str, Any]:
        """The job as an entry of ``scrape_configs``."""
        document: dict[str, Any] = {
            "job_name": self.name,
            "static_configs": [
                {"targets": [str(target.endpoint)], "labels": {"site": target.site}}
                for target in self.targets
            ],
        }
        if self.only_up:
            document["metric_relabel_configs"] = [
                {"source_labels": ["__name__"], "regex": ".+", "action": "drop"}
            ]
        return document


def macs(design: Design) -> tuple[str, ...]:
    """The hospital's nodes: its sites that run the API."""
    return tuple(
        site for site in design.sites_with("api") if design.sites[site].location == "hospital"
    )


def jobs(design: Design, addresses: AddressPlan, programs: Collection[str]) -> tuple[Job, ...]:
    """Every job of the design that has a target.

    Args:
        design: What runs.
        addresses: Where it listens.
        programs: Names of the programs this machine has; exporters that it lacks have no target.
    """

    def job(name: str, sites: Iterable[str], service: str, *, only_up: bool = False) -> Job:
        targets = tuple(Target(site, addresses.endpoint(site, service)) for site in sites)
        return Job(name, targets, only_up)

    database = design.database
    detector = (database.failure_detector.site,) if database.failure_detector else ()
    fallback = (design.fallback.site,) if design.fallback else ()
    monitoring = design.sites_with("monitoring")
    patroni = design.sites_with("database") if database.lease else ()
    postgres = design.sites_with("database") if "postgres-exporter" in programs else ()
    cache = design.cache.sites if design.cache and "redis-exporter" in programs else ()
    found = (
        job(names.MAC_STUDIO, macs(design), "api", only_up=True),
        job(names.API, design.sites_with("api"), "api"),
        job(names.INFERENCE, design.sites_with("inference"), "inference"),
        job(names.HAPROXY, ways_in(design), "balancer-stats"),
        job(names.PATRONI, patroni, "patroni"),
        job(names.ETCD, _voters(design), "etcd"),
        job(names.DATABASE_KEEPER, patroni, "database-keeper"),
        job(names.POSTGRES, postgres, "postgres-exporter"),
        job(names.REDIS, cache, "redis-exporter"),
        job(names.DOCUMENTS, design.sites_with("documents"), "documents"),
        job(names.FALLBACK, fallback, "fallback"),
        job(names.FAILURE_DETECTOR, detector, "failure-detector"),
        job(names.PROBE, monitoring, "stack-exporter"),
        job(names.PROMETHEUS, monitoring, "prometheus"),
        job(names.ALERTMANAGER, monitoring if "alertmanager" in programs else (), "alertmanager"),
    )
    return tuple(job for job in found if job.targets)


def _voters(design: Design) -> tuple[str, ...]:
    database = design.database
    hospital = database.consensus.voters if database.consensus else ()
    cloud = database.cloud_standby.consensus.voters if database.cloud_standby else ()
    return (*hospital, *cloud)
