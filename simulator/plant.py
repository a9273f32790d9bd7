"""The system under the clinicians: a design's stations, and a request's way through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

from simpy import Environment, Timeout

from architecture.design import Design
from architecture.replication import Database
from architecture.workload import RequestName
from simulator.clinicians import Attempt, ConservationError, Population
from simulator.events import Fired
from simulator.figures import THIS_MACHINE, Figures
from simulator.language_model import Ending, LanguageModelServer, Sequence
from simulator.measures import StationMeasures
from simulator.station import Processor, Station
from simulator.step_times import StepTimes
from simulator.streams import Streams, Variate

FLUSHED_BY_BOTH = frozenset({"on", "remote_apply"})


@dataclass(frozen=True)
class World:
    """The uncertain figures as they are in one replication. Seconds, and a factor."""

    steps: StepTimes
    commit_s: float
    network_s: float
    demand_scale: float


def draw_world(design: Design, figures: Figures, streams: Streams) -> World:
    """Draw every uncertain figure once: the part of a prediction's spread that is ignorance."""
    return World(
        steps=figures.step_times.draw(streams),
        commit_s=_commit_s(design, figures, streams),
        network_s=_round_trip_s(design, {"clients", design.sites_with("balancer")[0]}, streams),
        demand_scale=streams.within("demand-scale", figures.demand_scale),
    )


def _commit_s(design: Design, figures: Figures, streams: Streams) -> float:
    """Delay of one commit: the log's flush, and with a synchronous standby the way there and back.

    PostgreSQL flushes the commits that wait together in one go, so that the flush is a delay, not a
    queue.
    """
    database = design.database
    flush_s = streams.within("commit.flush", figures.flush_s)
    if not waits_for_standby(database):
        return flush_s
    round_trip_s = _round_trip_s(design, set(database.sites[:2]), streams)
    standby_s = (
        streams.within("commit.standby-flush", figures.flush_s)
        if database.commit in FLUSHED_BY_BOTH
        else 0.0
    )
    return flush_s + round_trip_s + standby_s


def waits_for_standby(database: Database) -> bool:
    """Whether a commit is acknowledged only after the standby has it."""
    return database.replication.startswith("synchronous") and database.commit != "local"


def _round_trip_s(design: Design, ends: set[str], streams: Streams) -> float:
    for number, link in enumerate(design.links):
        if set(link.between) == ends:
            return streams.within(f"link.{number}", link.round_trip_s)
    return 0.0


def api_sites(design: Design) -> tuple[str, ...]:
    """Sites whose API serves while the hospital's nodes are up, in order."""
    emergency = design.emergency.site if design.emergency is not None else None
    hospital = tuple(site for site in design.sites_with("api") if site != emergency)
    return hospital[:1] if design.edge.routing == "active-standby" else hospital


class _Demand:
    """Variates of one operation's work."""

    def __init__(self, design: Design, operation: RequestName, streams: Streams) -> None:
        demand = design.workload.demands[operation]
        self.cpu_s = streams.variate(f"cpu.{operation}", demand.cpu_s)
        self.database_s = streams.variate(f"database.{operation}", demand.database_s)
        self.commits = demand.commits
        self.prompt_tokens: Variate | None = None
        self.answer_tokens: Variate | None = None
        if demand.prompt_tokens is not None and demand.answer_tokens is not None:
            self.prompt_tokens = streams.variate(f"prompt.{operation}", demand.prompt_tokens)
            self.answer_tokens = streams.variate(f"answer.{operation}", demand.answer_tokens)


class Plant:
    """API, database and language model of the active sites.

    A request takes: (the load generator's thread, when it shares this machine) → an API worker →
    the primary's database → its commits → for a chat, the language model of the API's own site.
    """

    def __init__(
        self, env: Environment, design: Design, figures: Figures, *, world: World,
        streams: Streams, population: Population,
    ) -> None:  # fmt: skip
        self._env = env
        self._population = population
        self._commit_s = world.commit_s
        self._limits = design.inference
        self._demands = {
            operation: _Demand(design, operation, streams) for operation in design.workload.demands
        }
        sites = api_sites(design)
        build = _Builder(env, design, figures, world)
        self._apis = [build.api(site) for site in sites]
        self._models = [build.language_model(site) for site in sites]
        self._database = build.database(len(sites))
        self._client = build.client(sites)
        self._scale = world.demand_scale
        self._client_s = figures.shared.client_cpu_s * self._scale
        self._processors = list(build.processors.values())
        self._next_site: Callable[[], int] = cycle(range(len(sites))).__next__

    def send(self, attempt: Attempt) -> None:
        """Take a request in."""
        attempt.site = self._next_site()
        if self._client is not None:
            self._client.request(self._client_s, self._at_api, attempt)
        else:
            self._at_api(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """The client has gone: the language model hears of it; a short request runs its course."""
        if attempt.sequence is not None:
            self._models[attempt.site].cancel(attempt.sequence)

    def snapshots(self) -> dict[str, StationMeasures]:
        """The measures of every station by name, up to now."""
        clients = [] if self._client is None else [self._client]
        stations: list[Processor | Station | LanguageModelServer] = [
            *self._processors, *self._apis, self._database, *self._models, *clients,
        ]  # fmt: skip
        return {station.name: station.snapshot() for station in stations}

    def check_conservation(self) -> None:
        """Every sequence a model server took has ended in one way or is still inside.

        Raises:
            ConservationError: when the sum does not hold.
        """
        for model in self._models:
            ended = model.finished + model.refused + model.expired + model.cancelled
            if model.arrived != ended + model.in_system:
                raise ConservationError(
                    f"{model.name}: {model.arrived} arrived, but {ended} ended and "
                    f"{model.in_system} are inside"
                )

    def _at_api(self, attempt: Attempt) -> None:
        cpu_s = self._demands[attempt.operation].cpu_s() * self._scale
        self._apis[attempt.site].request(cpu_s, self._at_database, attempt)

    def _at_database(self, attempt: Attempt) -> None:
        database_s = self._demands[attempt.operation].database_s() * self._scale
        if database_s > 0.0:
            self._database.request(database_s, self._at_commit, attempt)
        else:
            self._at_commit(attempt)

    def _at_commit(self, attempt: Attempt) -> None:
        commits = self._demands[attempt.operation].commits
        if commits:
            flushed = Timeout(self._env, commits * self._commit_s, attempt)
            flushed.callbacks.append(self._committed)
        else:
            self._at_model(attempt)

    def _committed(self, event: Fired) -> None:
        self._at_model(event.value)

    def _at_model(self, attempt: Attempt) -> None:
        demand = self._demands[attempt.operation]
        if demand.prompt_tokens is None or demand.answer_tokens is None:
            self._population.answered(attempt)
            return
        prompt = _tokens(demand.prompt_tokens(), self._limits.max_prompt_tokens)
        answer = _tokens(demand.answer_tokens(), self._limits.max_answer_tokens)
        if not attempt.open:
            return
        sequence = self._models[attempt.site].submit(prompt, answer, self._model_ended, attempt)
        if sequence is None:
            self._population.refused(attempt)
        attempt.sequence = sequence

    def _model_ended(self, sequence: Sequence, how: Ending) -> None:
        attempt: Attempt = sequence.token
        attempt.sequence = None
        if how == "expired":
            self._population.refused(attempt)
        else:
            attempt.first_token_s = sequence.first_token_s
            self._population.answered(attempt)


def _tokens(drawn: float, at_most: int) -> int:
    return min(max(round(drawn), 1), at_most)


class _Builder:
    """Stations by site; sites on this machine share one processor."""

    def __init__(self, env: Environment, design: Design, figures: Figures, world: World) -> None:
        self.processors: dict[str, Processor] = {}
        self._env = env
        self._design = design
        self._figures = figures
        self._world = world

    def api(self, site: str) -> Station:
        return Station(self._env, self._design.api.workers, f"api {site}", self._processor(site))

    def database(self, apis: int) -> Station:
        """One server a connection; the pools cannot hold more than the database allows."""
        primary = self._design.database.sites[0]
        pooled = self._design.api.database_pool_size * self._design.api.workers * apis
        connections = min(pooled, self._design.database.max_connections)
        return Station(self._env, connections, f"database {primary}", self._processor(primary))

    def language_model(self, site: str) -> LanguageModelServer:
        """An engine is one thread: on this machine it takes a core, elsewhere it has a GPU."""
        inference = self._design.inference
        processor = (
            self._processor(site)
            if self._hardware(site) == THIS_MACHINE
            else Processor(self._env, 1, f"gpu {site}")
        )
        return LanguageModelServer(
            self._env,
            processor,
            self._world.steps,
            max_batch=inference.max_batch,
            max_queue=inference.max_queue,
            queue_timeout_s=inference.queue_timeout_s,
            name=f"inference {site}",
        )

    def client(self, sites: tuple[str, ...]) -> Station | None:
        """The load generator's one thread, when it runs beside the sites."""
        if self._hardware(sites[0]) != THIS_MACHINE:
            return None
        return Station(self._env, 1, "load generator", self._processor(sites[0]))

    def _hardware(self, site: str) -> str:
        return self._design.sites[site].hardware

    def _processor(self, site: str) -> Processor:
        hardware = self._hardware(site)
        shared = hardware == THIS_MACHINE
        name = f"processor {hardware if shared else site}"
        if name not in self.processors:
            cores: float = self._figures.cores[hardware]
            if shared:
                cores -= self._figures.shared.background_cores
            self.processors[name] = Processor(self._env, cores, name)
        return self.processors[name]
