"""The system under the clinicians: a design's stations, and the way of each request among them.

A request goes from stop to stop: (the load generator, when it shares this machine) → WLAN and
balancer → an API worker → the cache → the database and its commits → a service of its own →
companions → the language model → the document store → back. Which stops an operation has follows
from its demand; what each stop does is said in :mod:`simulator.hospital.stops`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import cycle

from simpy import Environment

from architecture.design import Design
from architecture.workload import RequestName
from simulator.figures import Figures
from simulator.hospital import assumptions
from simulator.hospital.autoscaling import Autoscaler, ElasticProcessor
from simulator.hospital.cells import Cell, Cells
from simulator.hospital.clinicians import Population
from simulator.hospital.demands import DemandVariates, demand_variates
from simulator.hospital.link import NetworkLink
from simulator.hospital.requests import Attempt, ConservationError
from simulator.hospital.stops import Stop, Stops
from simulator.hospital.world import World
from simulator.language_model import LanguageModelServer
from simulator.measures import StationMeasures
from simulator.streams import Streams


def api_sites(design: Design) -> tuple[str, ...]:
    """Sites whose API serves while the hospital's nodes are up, in order."""
    hospital = hospital_api_sites(design)
    return hospital[:1] if design.edge.routing == "active-standby" else hospital


def hospital_api_sites(design: Design) -> tuple[str, ...]:
    """Sites that can serve without the emergency, in order."""
    emergency = design.emergency.site if design.emergency is not None else None
    return tuple(site for site in design.sites_with("api") if site != emergency)


class Plant(Stops):
    """What answers: the cells of the active sites, and the parts they share.

    Args:
        env: The simulation.
        design: What is simulated.
        figures: Speeds of its hardware.
        world: The uncertain figures of this replication.
        streams: Its randomness.
        population: Who is told of the answers.
        standby: Whether the cells of standby sites and of the emergency are built too, for faults.
    """

    def __init__(
        self, env: Environment, design: Design, figures: Figures, *, world: World,
        streams: Streams, population: Population, standby: bool = False,
    ) -> None:  # fmt: skip
        self.env = env
        self.design = design
        self.world = world
        self.population = population
        self.epoch = 0
        self.connection_epoch = 0
        self.most_prompt = design.inference.max_prompt_tokens
        self.most_answer = design.inference.max_answer_tokens
        self.most_audio_s = math.inf
        self.cold_since_s = -math.inf
        self.way_s = 0.0
        self._figures = figures
        self._demands = demand_variates(design, streams)
        self._scale = world.demand_scale
        self._cells = Cells(env, design, figures, world)
        self._flush_spread = streams.variate("commit.spread", figures.flush_spread)
        self._client = self._cells.client(api_sites(design)[0])
        self._client_s = figures.shared.client_cpu_s * self._scale
        balancer = design.sites_with("balancer")[0]
        threads = max(int(figures.cores[design.sites[balancer].hardware]), 1)
        self._balancer = self._cells.booked(f"balancer {balancer}", threads)
        self._wifi = self._wireless(balancer)
        self.active = [self._cell(site, len(api_sites(design))) for site in api_sites(design)]
        self.standby = [
            self._cell(site, 1)
            for site in hospital_api_sites(design)
            if standby and site not in api_sites(design)
        ]
        self.emergency_cell: Cell | None = None
        if standby and design.emergency is not None:
            site = design.emergency.site
            self.emergency_cell = self._cells.cell(site, apis=1, emergency=True)
        self.cells = [*self.active, *self.standby]
        if self.emergency_cell is not None:
            self.cells.append(self.emergency_cell)
        self.standby_waited_for = True
        self._copies = self._copy_link()
        self._bucket = self._bucket_link()
        self._nodes: ElasticProcessor | None = None
        self.autoscaler = self._autoscaler(streams)
        self.serve(range(len(self.active)))
        self._routes = {
            operation: self._route(variates) for operation, variates in self._demands.items()
        }

    def serve(self, cells: range | list[int]) -> None:
        """Lead requests to these of :attr:`cells`, in turn."""
        self._next_cell: Callable[[], int] = cycle(cells).__next__

    def send(self, attempt: Attempt) -> None:
        """Take a request in."""
        self.take(attempt, attempt.operation)

    def take(self, attempt: Attempt, operation: RequestName) -> None:
        """Lead a request to an API and let it do the work of ``operation``."""
        attempt.site = self._next_cell()
        attempt.epoch = self.epoch
        attempt.route = self._routes[operation]
        attempt.stage = 0
        if self._client is not None:
            self._client.request(self._client_s, self._front, attempt)
        else:
            self._front(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """The client has gone: the language model hears of it; a short request runs its course."""
        if attempt.sequence is not None:
            self.cells[attempt.site].model.cancel(attempt.sequence)
            attempt.sequence = None

    def snapshots(self) -> dict[str, StationMeasures]:
        """The measures of every station by name, up to now."""
        return {name: station.snapshot() for name, station in self._cells.stations.items()}

    def models(self) -> dict[str, LanguageModelServer]:
        """The language model servers by site."""
        return {cell.model_site: cell.model for cell in self.cells}

    def links(self) -> dict[str, NetworkLink]:
        """The network links by name."""
        stations = self._cells.stations.items()
        return {name: link for name, link in stations if isinstance(link, NetworkLink)}

    def check_conservation(self) -> None:
        """Every sequence a model server took has ended in one way or is still inside.

        Raises:
            ConservationError: when the sum does not hold.
        """
        for model in self.models().values():
            ended = model.finished + model.refused + model.expired + model.cancelled
            if model.arrived != ended + model.in_system:
                raise ConservationError(
                    f"{model.name}: {model.arrived} arrived, but {ended} ended and "
                    f"{model.in_system} are inside"
                )

    def _cell(self, site: str, apis: int) -> Cell:
        return self._cells.cell(site, apis=apis)

    def _wireless(self, balancer: str) -> NetworkLink | None:
        for link in self.design.links:
            if set(link.between) == {"clients", balancer}:
                rate = link.bandwidth_bit_s * self.world.wifi_share
                return self._cells.link_of("wifi", rate, self.world.network_s)
        return None

    def _copy_link(self) -> NetworkLink | None:
        documents = self.design.documents
        if documents is None or len(documents.sites) < 2:  # noqa: PLR2004
            return None
        one, other = documents.sites[:2]
        if documents.method != "acknowledged-by-both":
            return None
        return self._cells.link(f"link {one} {other}", one, other)

    def _bucket_link(self) -> NetworkLink | None:
        documents = self.design.documents
        if documents is None or documents.method != "object-store":
            return None
        return self._cells.link("wan", self.active[0].site, documents.sites[0])

    def _autoscaler(self, streams: Streams) -> Autoscaler | None:
        """Of the first site whose nodes come and go; the designs have one at most."""
        elastic = [(n, s) for n, s in self.design.sites.items() if s.autoscaling is not None]
        if not elastic or elastic[0][1].autoscaling is None:
            return None
        name, site = elastic[0]
        cores = self._figures.cores[site.hardware]
        self._nodes = self._cells.elastic(name, cores * site.count)
        generator, start = streams.generator("node-start"), assumptions.NODE_START_S
        return Autoscaler(
            self.env, self._nodes, node_cores=cores, nodes=site.count,
            bounds=elastic[0][1].autoscaling,
            node_start_s=lambda: float(generator.triangular(start.low, start.typical, start.high)),
        )  # fmt: skip

    def _route(self, variates: DemandVariates) -> tuple[Stop, ...]:
        demand = variates.demand
        stops: list[Stop] = [partial(self._api, variates.cpu_s)]
        if demand.cache_accesses and self.design.cache is not None:
            stops.append(partial(self._cache, demand.cache_accesses))
        stops += self._database_stops(variates)
        service = variates.optional("service")
        if service is not None and demand.service is not None:
            stops.append(partial(self._service, demand.service, service))
        for name, units in variates.companions.items():
            if name in self.design.companions:
                stops.append(partial(self._companion, name, units))
        prompt, answer = variates.optional("prompt"), variates.optional("answer")
        if prompt is not None and answer is not None:
            stops.append(partial(self._model, prompt, answer))
        if demand.documents == "write":
            stops.append(self._store)
        download = variates.optional("download")
        if download is not None:
            stops.append(partial(self._download, download, demand.documents == "read"))
        cloud = variates.optional("cloud")
        if cloud is not None and self.autoscaler is not None:
            stops.append(partial(self._cloud, cloud))
        stops.append(self._answer)
        upload = variates.optional("upload")
        return (partial(self._upload, upload), *stops) if upload is not None else tuple(stops)

    def _database_stops(self, variates: DemandVariates) -> list[Stop]:
        demand = variates.demand
        stops: list[Stop] = []
        if demand.needs_database:
            stops.append(
                partial(
                    self._database, variates.database_s, demand.database_round_trips, demand.commits
                )
            )
        if demand.audited:
            stops.append(self._audit)
        return stops
