"""A network as it runs: stations, stops, sources and populations made from its schema."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from simpy import Environment

from architecture.station_network import Change, StationNetwork
from architecture.stations import (
    ROUNDING,
    Arrivals,
    CustomerClass,
    ListedArrivals,
    PoissonArrivals,
    ProfileArrivals,
    RenewalArrivals,
    StationSpec,
    Times,
    Trace,
)
from architecture.values import Distribution
from simulator.measures import ConservationError
from simulator.network.customers import ClassCount, Customer, Enter, Entrance, Exit, Stop, TimedStop
from simulator.stations import (
    BatchStation,
    Component,
    Delay,
    ImpatientQueue,
    Leaving,
    Population,
    PreemptiveStation,
    PriorityQueue,
    Processor,
    Router,
    Source,
    Station,
    Tally,
    Ticket,
    arrivals,
)
from simulator.stations import first as first_needs
from simulator.stations.base import Balks, Queue
from simulator.stations.tally import KEPT
from simulator.streams import Streams, Variate


def known(times: Times) -> Distribution:
    """The distribution, when it needs no file any more.

    Raises:
        TypeError: for a trace that :func:`architecture.station_network.load_network` has not read.
    """
    if isinstance(times, Trace):
        raise TypeError(f"the trace {times.file} has not been read: use load_network")
    return times


class Running:
    """One replication's network. Everything random comes from ``streams``.

    Attributes:
        stations: By name.
        sojourns: Time of each visit to a station, by its name.
        classes: Counts of each class, by name.
    """

    def __init__(self, env: Environment, network: StationNetwork, streams: Streams) -> None:
        self.stations: dict[str, Component] = {}
        self.sojourns: dict[str, Tally] = {}
        self.classes: dict[str, ClassCount] = {}
        self._env = env
        self._network = network
        self._streams = streams
        for name, spec in network.stations.items():
            self.stations[name] = self._station(name, spec)
            self.sojourns[name] = Tally()
        for name, customers in network.classes.items():
            self._add_class(name, customers)
        for change in network.timetable:
            timer = env.timeout(change.at_s)
            timer.callbacks.append(self._action(change))

    def forget(self) -> None:
        """Leave what has been observed until now out of account; counts stay."""
        for station in self.stations.values():
            station.snapshot().reset(self._env.now)
        for tally in self.sojourns.values():
            tally.clear()
        for count in self.classes.values():
            count.latency_s.clear()

    def check_conservation(self) -> None:
        """No station and no class has lost or invented a customer.

        Raises:
            ConservationError: when a sum does not hold.
        """
        for station in self.stations.values():
            station.check_conservation()
        at_stations = sum(station.inside for station in self.stations.values())
        inside = sum(count.inside for count in self.classes.values())
        if at_stations != inside:
            raise ConservationError(
                f"{inside} customers came and did not leave, but the stations hold {at_stations}"
            )

    def _tidy(self) -> None:
        """Fold tallies that have become long: memory must not grow with the simulated time."""
        for tally in (*self.sojourns.values(), *(c.latency_s for c in self.classes.values())):
            if len(tally.kept) >= KEPT:
                tally.fold()

    def _add_class(self, name: str, customers: CustomerClass) -> None:
        env, streams = self._env, self._streams
        count = ClassCount(name, customers.priority, customers.timeout_s)
        self.classes[name] = count
        stops = {station: self._stop(name, station) for station in customers.reachable()}
        leave = Exit(env, count).enter
        for station, stop in stops.items():
            onwards = customers.routing.get(station, {})
            stop.connect(self._router(f"{name}.{station}", onwards, stops, leave))
        start = self._router(f"{name}.start", customers.starts_at, stops, leave)
        first = start.enter if isinstance(start, Stop) else start
        entrance = Entrance(env, count, first, self._tidy)
        if customers.arrivals is not None:
            group = customers.group_size
            gaps_s = _gaps_s(customers.arrivals, f"arrivals.{name}", streams)
            size = None if group is None else self._variate(f"group.{name}", group)
            Source(env, gaps_s, entrance.arrive, size)
        elif customers.population is not None and customers.think_s is not None:
            population = Population(
                env, [Customer(count) for _ in range(customers.population)],
                self._variate(f"think.{name}", customers.think_s), entrance.arrive_again,
                f"thinking {name}",
            )  # fmt: skip
            count.afterwards = population.enter

    def _stop(self, name: str, station: str) -> Stop:
        service_s = self._network.stations[station].service_of(name)
        if service_s is None:
            raise ValueError(f"{station}: no service time for class {name}")
        kind = Stop if self._network.classes[name].timeout_s is None else TimedStop
        return kind(
            self._env, self.stations[station].request,
            self._variate(f"service.{name}.{station}", service_s), self.sojourns[station],
        )  # fmt: skip

    def _router(
        self, name: str, shares: dict[str, float], stops: dict[str, Stop], leave: Enter
    ) -> Enter | Stop:
        likely = {to: share for to, share in shares.items() if share > 0}
        rest = 1 - sum(likely.values())
        if rest <= ROUNDING and len(likely) == 1:
            return stops[next(iter(likely))]
        if not likely:
            return leave
        targets: list[Enter] = [stops[to].enter for to in likely]
        probabilities = list(likely.values())
        if rest > ROUNDING:
            targets.append(leave)
            probabilities.append(rest)
        return Router(targets, probabilities, self._streams.uniform(f"route.{name}")).send

    def _variate(self, source: str, times: Times) -> Variate:
        return self._streams.variate(source, known(times))

    def _station(self, name: str, spec: StationSpec) -> Component:
        env = self._env
        common: dict[str, Any] = {"capacity": spec.capacity, "left": self._left}
        if spec.balking is not None:
            common["balks"] = self._balks(name, spec.balking.at_queue, spec.balking.probability)
        match spec.discipline:
            case "delay":
                return Delay(env, name, left=self._left)
            case "ps":
                return Processor(env, spec.servers, name, **common)
            case "batch":
                give_up = _LateBound()
                batch = BatchStation(
                    env, spec.batch_size or 1, name, servers=spec.servers,
                    batch_time=first_needs if spec.batch_time == "first" else max,
                    queue=self._queue(name, spec, None, give_up), **common,
                )  # fmt: skip
                give_up.target = batch.gave_up
                return batch
            case _:
                return self._queueing_station(name, spec, common)

    def _queueing_station(self, name: str, spec: StationSpec, common: dict[str, Any]) -> Station:
        give_up = _LateBound()
        by_rank = None if spec.discipline == "fifo" else PriorityQueue(_rank)
        queue = self._queue(name, spec, by_rank, give_up)
        station = (
            PreemptiveStation(self._env, spec.servers, name, _rank, queue=queue, **common)
            if spec.discipline == "priority-preemptive"
            else Station(self._env, spec.servers, name, queue=queue, **common)
        )
        give_up.target = station.gave_up
        return station

    def _queue(
        self, name: str, spec: StationSpec, inner: Queue | None, gave_up: Callable[[Ticket], None]
    ) -> Queue | None:
        """The queue, with patience where the station or a class has one."""
        timed = any(
            customers.timeout_s is not None and name in customers.reachable()
            for customers in self._network.classes.values()
        )
        if spec.patience_s is None and not timed:
            return inner
        env = self._env
        draw = (
            None if spec.patience_s is None else self._variate(f"patience.{name}", spec.patience_s)
        )

        def patience_s(customer: Customer) -> float:
            left_s = max(customer.deadline_s - env.now, 0.0)
            return left_s if draw is None else min(left_s, draw())

        return ImpatientQueue(env, deque() if inner is None else inner, patience_s, gave_up)

    def _balks(self, name: str, at_queue: int, probability: float) -> Balks:
        uniform = self._streams.uniform(f"balking.{name}")
        return lambda waiting: waiting >= at_queue and uniform() < probability

    def _left(self, customer: Customer, how: Leaving) -> None:
        customer.of.left_at_station(customer, how, self._env.now)

    def _action(self, change: Change) -> Callable[[object], None]:
        station = self.stations[change.station]
        match change.action:
            case "pause":
                return lambda _event: station.pause()
            case "resume":
                return lambda _event: station.resume()
            case "crash":
                return lambda _event: station.crash()
            case "set-servers":
                servers = change.servers or 1
                return lambda _event: station.set_servers(servers)


class _LateBound:
    """Calls what will be known only when the caller has been built."""

    target: Callable[[Ticket], None]

    def __call__(self, ticket: Ticket) -> None:
        self.target(ticket)


def _rank(customer: Customer) -> int:
    return customer.of.priority


def _gaps_s(process: Arrivals, source: str, streams: Streams) -> Iterator[float]:
    generator = streams.generator(source)
    match process:
        case PoissonArrivals(rate_per_s=rate_per_s):
            return arrivals.poisson(rate_per_s, generator)
        case RenewalArrivals(gap_s=gap_s):
            return arrivals.renewal(known(gap_s), generator)
        case ProfileArrivals(rates_per_s=rates_per_s, step_s=step_s):
            return arrivals.profile(rates_per_s, step_s, generator)
        case ListedArrivals(times_s=times_s):
            return arrivals.trace(times_s)
        case _:
            raise ValueError(f"the trace {process.file} has not been read: use load_network")
