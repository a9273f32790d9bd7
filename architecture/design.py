"""A whole design, and the rules that hold between its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self, cast, get_args

from pydantic import Field, model_validator

from architecture.edge import Edge
from architecture.errors import misplaced
from architecture.objectives import Objective
from architecture.operations import (
    STRUCK,
    Alert,
    Drill,
    Failover,
    FailureMode,
    Pauses,
    Power,
    Redundancy,
    Releases,
)
from architecture.replication import Cache, Consensus, Database, Documents
from architecture.services import Api, Companion, Emergency, Fallback, Inference
from architecture.topology import Link, Service, Site, Storage
from architecture.values import Name, Strict
from architecture.workload import Workload


class Design(Strict):
    """One system: what it is made of, what it promises, and who uses it."""

    name: Name
    title: str
    description: str
    requirements: tuple[str, ...] = Field(description="requirement ids the design represents")
    left_out: dict[str, str] = Field(
        default_factory=dict,
        description="requirement ids without bearing on capacity, availability or recovery: why",
    )
    sites: dict[Name, Site] = Field(min_length=1)
    links: tuple[Link, ...] = ()
    storage: Storage | None = None
    edge: Edge
    database: Database
    cache: Cache | None = None
    documents: Documents | None = None
    api: Api
    inference: Inference
    companions: dict[Name, Companion] = Field(default_factory=dict)
    failover: Failover | None = None
    emergency: Emergency | None = None
    fallback: Fallback | None = None
    workload: Workload
    objectives: tuple[Objective, ...] = Field(min_length=1)
    failures: dict[Name, FailureMode] = Field(default_factory=dict)
    power: Power | None = None
    releases: Releases | None = None
    pauses: Pauses | None = None
    redundancy: Redundancy = Redundancy()
    drills: dict[Name, Drill] = Field(default_factory=dict)
    alerts: dict[str, Alert] = Field(default_factory=dict)

    def sites_with(self, service: Service) -> tuple[str, ...]:
        """Names of the sites that run ``service``, in the design's order."""
        return tuple(name for name, site in self.sites.items() if service in site.services)

    def objective(self, objective_id: str) -> Objective:
        """The objective with this id.

        Raises:
            KeyError: when the design has no such objective.
        """
        for objective in self.objectives:
            if objective.id == objective_id:
                return objective
        raise KeyError(objective_id)

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        for key, name, service in self._site_references():
            if name not in self.sites:
                raise misplaced(key, f"there is no site '{name}'", ", ".join(self.sites))
            if service is not None and service not in self.sites[name].services:
                able = ", ".join(self.sites_with(service)) or f"no site runs '{service}'"
                raise misplaced(key, f"site '{name}' does not run the service '{service}'", able)
        places = ("hospital", "clients", "cloud", *self.sites)
        for position, link in enumerate(self.links):
            for end in link.between:
                if end not in places:
                    key = f"links.{position}.between"
                    raise misplaced(key, f"there is no place '{end}'", ", ".join(places))
        return self

    @model_validator(mode="after")
    def _objective_ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for position, objective in enumerate(self.objectives):
            if objective.id in seen:
                raise misplaced(f"objectives.{position}.id", f"'{objective.id}' is used twice")
            seen.add(objective.id)
        return self

    @model_validator(mode="after")
    def _detector_stands_outside(self) -> Self:
        detector = self.database.failure_detector
        if detector is not None and detector.site in self.database.sites:
            others = ", ".join(site for site in self.sites if site not in self.database.sites)
            raise misplaced(
                "database.failure_detector.site", "must not be a site of the database", others
            )
        return self

    @model_validator(mode="after")
    def _failures_strike_something(self) -> Self:
        for key, mode in self.failures.items():
            try:
                struck = mode.struck(key)
            except ValueError as error:
                raise misplaced(f"failures.{key}", str(error), ", ".join(STRUCK)) from None
            if mode.count > 1 and struck not in {"switch", "wifi", "wan"}:
                raise misplaced(f"failures.{key}.count", "is for a switch, a WiFi or a WAN")
        return self

    def failing_sites(self, key: str) -> tuple[str, ...]:
        """The sites that a failure mode strikes, each by itself (``software``: together).

        A design without the mode's service has none.
        """
        mode = self.failures[key]
        if mode.sites is not None:
            return mode.sites
        hospital = tuple(name for name, site in self.sites.items() if site.location == "hospital")
        if mode.service is not None:
            return tuple(site for site in hospital if mode.service in self.sites[site].services)
        if mode.struck(key) in {"site", "software"}:
            return tuple(site for site in hospital if self.sites[site].role != "edge")
        return ()

    def _site_references(self) -> Iterator[SiteReference]:
        yield from _database_references(self.database)
        for key, mode in self.failures.items():
            yield from ((f"failures.{key}.sites", site, mode.service) for site in mode.sites or ())
        if self.storage is not None:
            yield from (("storage.sites", site, None) for site in self.storage.sites)
        if self.cache is not None:
            yield from (("cache.sites", site, "cache") for site in self.cache.sites)
            yield from (("cache.sentinels", site, None) for site in self.cache.sentinels)
        if self.documents is not None:
            yield from (("documents.sites", site, "documents") for site in self.documents.sites)
            if self.documents.bucket is not None:
                yield "documents.bucket", self.documents.bucket, "bucket"
        if self.emergency is not None:
            yield "emergency.site", self.emergency.site, "api"
        if self.fallback is not None:
            yield "fallback.site", self.fallback.site, "fallback"
        for name, companion in self.companions.items():
            service = cast(Service, name) if name in get_args(Service) else None
            yield from ((f"companions.{name}.sites", site, service) for site in companion.sites)


# Key in the file, site it names, and the service that site must run to be named there.
SiteReference = tuple[str, str, Service | None]


def _database_references(database: Database) -> Iterator[SiteReference]:
    yield from (("database.sites", site, "database") for site in database.sites)
    if database.consensus is not None:
        yield from _consensus_references("database.consensus", database.consensus)
    if database.failure_detector is not None:
        yield "database.failure_detector.site", database.failure_detector.site, None
    if database.backup is not None:
        yield "database.backup.site", database.backup.site, "bucket"
    standby = database.cloud_standby
    if standby is not None:
        yield "database.cloud_standby.site", standby.site, "database"
        yield from _consensus_references("database.cloud_standby.consensus", standby.consensus)


def _consensus_references(key: str, consensus: Consensus) -> Iterator[SiteReference]:
    yield from ((f"{key}.voters", site, "etcd") for site in consensus.voters)
    if consensus.preferred_leader is not None:
        yield f"{key}.preferred_leader", consensus.preferred_leader, "etcd"
