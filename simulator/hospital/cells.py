"""The stations of a design, site by site."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from simpy import Environment

from architecture import catalogue
from architecture.design import Design
from architecture.services import Companion
from simulator.figures import THIS_MACHINE, Figures
from simulator.hospital.accelerator import Accelerator
from simulator.hospital.assumptions import METAL_MEMORY_SHARE
from simulator.hospital.autoscaling import ElasticProcessor
from simulator.hospital.booking import BookedStation
from simulator.hospital.companion_queue import CompanionQueue
from simulator.hospital.companions import CompanionCost
from simulator.hospital.database import DatabaseServer
from simulator.hospital.group_commit import GroupCommit
from simulator.hospital.link import NetworkLink
from simulator.hospital.paths import site_link
from simulator.hospital.world import World
from simulator.language_model import LanguageModelServer
from simulator.measures import StationMeasures
from simulator.stations import Processor, Station


class Measured(Protocol):
    """Anything with a name and measures."""

    @property
    def name(self) -> str:
        """For the results."""

    def snapshot(self) -> StationMeasures:
        """The measures up to now."""


@dataclass(frozen=True)
class CompanionServer:
    """One companion at one site."""

    site: str
    station: CompanionQueue
    cost: CompanionCost


@dataclass(frozen=True)
class Cell:
    """What answers at one API site: its own stations, and those of other sites it relies on."""

    site: str
    api: Station
    model_site: str
    model: LanguageModelServer
    database: DatabaseServer
    database_site: str
    cache: BookedStation
    cache_site: str
    disk: BookedStation
    audit: GroupCommit
    companions: dict[str, CompanionServer] = field(default_factory=dict)


class Cells:
    """Builds stations as they are asked for; what two cells share is built once.

    Sites on this machine share one processor, where an engine is a thread that takes a core;
    elsewhere the language model and the companions share the site's accelerator.
    """

    def __init__(self, env: Environment, design: Design, figures: Figures, world: World) -> None:
        self.stations: dict[str, Measured] = {}
        self._env = env
        self._design = design
        self._figures = figures
        self._world = world

    def cell(self, site: str, *, apis: int, emergency: bool = False) -> Cell:
        """The cell of an API site; ``apis`` sites share the database's connections."""
        design = self._design
        model_site = self._near("inference", site, emergency=emergency)
        database_site = site if site in design.database.sites else design.database.sites[0]
        if emergency:
            database_site = site
        cache_sites = design.cache.sites if design.cache is not None else ()
        cache_site = site if site in cache_sites or not cache_sites else cache_sites[0]
        return Cell(
            site=site,
            api=self._api(site),
            model_site=model_site,
            model=self._language_model(model_site),
            database=self._database(database_site, apis),
            database_site=database_site,
            cache=self.booked(f"cache {cache_site}", 1),
            cache_site=cache_site,
            disk=self.booked(f"disk {site}", 1),
            audit=GroupCommit(self._env),
            companions=self._companions(site, emergency=emergency),
        )

    def booked(self, name: str, servers: int) -> BookedStation:
        """A station whose customers never leave early."""
        found = self.stations.get(name)
        if not isinstance(found, BookedStation):
            found = self.stations[name] = BookedStation(self._env, servers, name)
        return found

    def link(self, name: str, one: str, other: str, share: float = 1.0) -> NetworkLink | None:
        """The network between two sites."""
        found = site_link(self._design, one, other)
        if found is None:
            return None
        return self.link_of(
            name, found[1].bandwidth_bit_s * share, self._world.round_trip_s(one, other)
        )

    def link_of(self, name: str, bandwidth_bit_s: float, round_trip_s: float) -> NetworkLink:
        """A link of this bandwidth."""
        known = self.stations.get(name)
        if not isinstance(known, NetworkLink):
            known = NetworkLink(self._env, bandwidth_bit_s, round_trip_s, name)
            self.stations[name] = known
        return known

    def elastic(self, site: str, cores: float) -> ElasticProcessor:
        """The processor of cloud nodes that come and go."""
        name = f"nodes {site}"
        found = ElasticProcessor(self._env, cores, name)
        self.stations[name] = found
        return found

    def client(self, site: str) -> Station | None:
        """The load generator's one thread, when it runs beside the sites."""
        if self._hardware(site) != THIS_MACHINE:
            return None
        name = "load generator"
        found = self.stations[name] = Station(self._env, 1, name, self.processor(site))
        return found

    def processor(self, site: str) -> Processor:
        """The site's processor cores."""
        hardware = self._hardware(site)
        shared = hardware == THIS_MACHINE
        name = f"processor {hardware if shared else site}"
        found = self.stations.get(name)
        if not isinstance(found, Processor):
            cores: float = self._figures.cores[hardware]
            if shared:
                cores -= self._figures.shared.background_cores
            found = self.stations[name] = Processor(self._env, cores, name)
        return found

    def _api(self, site: str) -> Station:
        name = f"api {site}"
        workers = self._design.api.workers
        found = self.stations[name] = Station(self._env, workers, name, self.processor(site))
        return found

    def _database(self, site: str, apis: int) -> DatabaseServer:
        """One server a connection; the pools cannot hold more than the database allows."""
        name = f"database {site}"
        found = self.stations.get(name)
        if not isinstance(found, DatabaseServer):
            pooled = self._design.api.database_pool_size * self._design.api.workers * apis
            connections = min(pooled, self._design.database.max_connections)
            found = DatabaseServer(self._env, connections, self.processor(site), name)
            self.stations[name] = found
        return found

    def _language_model(self, site: str) -> LanguageModelServer:
        name = f"inference {site}"
        found = self.stations.get(name)
        if isinstance(found, LanguageModelServer):
            return found
        inference = self._design.inference
        hardware = self._hardware(site)
        on_processor = hardware == THIS_MACHINE
        steps = self._world.steps.get(hardware) or next(iter(self._world.steps.values()))
        found = LanguageModelServer(
            self._env,
            self.processor(site) if on_processor else self._accelerator(site),
            steps,
            max_batch=inference.max_batch,
            max_queue=inference.max_queue,
            queue_timeout_s=inference.queue_timeout_s,
            name=name,
            cache_tokens=cache_tokens(self._design, site),
            longest_answer=inference.max_answer_tokens,
            prefill_chunk=inference.prefill_chunk_tokens,
        )
        self.stations[name] = found
        return found

    def _accelerator(self, site: str) -> Processor:
        name = f"gpu {site}"
        found = self.stations.get(name)
        if not isinstance(found, Processor):
            found = self.stations[name] = Accelerator(self._env, self._world.sharing, name)
        return found

    def _companions(self, site: str, *, emergency: bool) -> dict[str, CompanionServer]:
        servers: dict[str, CompanionServer] = {}
        for name, companion in self._design.companions.items():
            place = _companion_site(self._design, companion, site, emergency=emergency)
            if place is None:
                continue
            cost = self._world.companions[(name, self._hardware(place))]
            key = f"{name} {place}"
            station = self.stations.get(key)
            if not isinstance(station, CompanionQueue):
                runs_on = self._accelerator(place) if cost.on_gpu else self.processor(place)
                station = CompanionQueue(self._env, companion.workers, runs_on, key)
                self.stations[key] = station
            servers[name] = CompanionServer(place, station, cost)
        return servers

    def _near(self, service: str, site: str, *, emergency: bool) -> str:
        """The site itself when it runs the service, else the first of the hospital that does."""
        if service in self._design.sites[site].services or emergency:
            return site
        for other, found in self._design.sites.items():
            if service in found.services and found.role != "emergency":
                return other
        return site

    def _hardware(self, site: str) -> str:
        return self._design.sites[site].hardware


def _companion_site(
    design: Design, companion: Companion, site: str, *, emergency: bool
) -> str | None:
    if site in companion.sites:
        return site
    if emergency:
        return None
    hospital = [other for other in companion.sites if design.sites[other].role != "emergency"]
    return hospital[0] if hospital else None


def cache_tokens(design: Design, site: str) -> int | None:
    """Tokens whose attention caches fit beside the models' weights; None when it is not known.

    Raises:
        InputError: when the catalogue lacks the model or the machine.
    """
    model = catalogue.model(design.inference.model)
    if model.kv_bytes_per_token is None:
        return None
    if design.inference.kv_cache_bytes is not None:
        return max(int(design.inference.kv_cache_bytes / model.kv_bytes_per_token.typical), 1)
    memory = catalogue.hardware(design.sites[site].hardware).memory_bytes
    if memory is None:
        return None
    named = [companion.model for companion in design.companions.values() if site in companion.sites]
    weights = [catalogue.model(name).weight_bytes for name in (design.inference.model, *named)]
    held = sum(figure.typical for figure in weights if figure is not None)
    left = METAL_MEMORY_SHARE * memory - held
    return max(int(left / model.kv_bytes_per_token.typical), 1)
