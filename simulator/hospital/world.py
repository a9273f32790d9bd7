"""The uncertain figures as they are in one replication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from architecture import catalogue
from architecture.design import Design
from architecture.replication import Database
from simulator.figures import Figures
from simulator.hospital import assumptions
from simulator.hospital.companions import CompanionCost, companion_range
from simulator.hospital.paths import link_between, round_trip_range
from simulator.step_times import StepTimes
from simulator.streams import Streams

FLUSHED_BY_BOTH = frozenset({"on", "remote_apply"})


@dataclass(frozen=True)
class World:
    """Everything uncertain, drawn once. Seconds, bytes a second, and factors.

    Attributes:
        steps: Of the language model, by hardware.
        flush_s: One flush of the database's log.
        standby_s: What waiting for the synchronous standby adds to a commit.
        network_s: Round trip between clients and balancer.
        round_trips_s: Between two sites, by their names in order.
        demand_scale: Factor of the workload's processor times.
        companions: By companion and hardware.
        sharing: Of models on one accelerator.
        wifi_share: Of the WLAN's rate that applications get.
    """

    steps: Mapping[str, StepTimes]
    flush_s: float
    standby_s: float
    network_s: float
    round_trips_s: Mapping[tuple[str, str], float]
    demand_scale: float
    companions: Mapping[tuple[str, str], CompanionCost]
    sharing: float
    wifi_share: float
    tls_handshake_s: float
    proxy_request_s: float
    cache_command_s: float
    disk_bytes_s: float
    object_store_s: float
    cold_factor: float
    cold_s: float

    def round_trip_s(self, one: str, other: str) -> float:
        """Between two sites; nothing within one."""
        return self.round_trips_s[(one, other)]


def draw_world(design: Design, figures: Figures, streams: Streams) -> World:
    """Draw every uncertain figure once: the part of a prediction's spread that is ignorance.

    Raises:
        InputError: when the catalogue lacks a companion's speed.
    """
    trips = _round_trips(design, streams)
    database = design.database
    flush_s = streams.within("commit.flush", figures.flush_s)
    standby_s = 0.0
    if waits_for_standby(database):
        standby_s = trips[(database.sites[0], database.sites[1])]
        if database.commit in FLUSHED_BY_BOTH:
            standby_s += streams.within("commit.standby-flush", figures.flush_s)
    if database.managed is not None and database.managed.availability == "regional":
        standby_s = streams.within("commit.zone", assumptions.ZONE_COMMIT_S)

    def within(name: str) -> float:
        return streams.within(name, getattr(assumptions, name))

    return World(
        steps=_step_times(design, figures, streams),
        flush_s=flush_s,
        standby_s=standby_s,
        network_s=_clients_round_trip_s(design, streams),
        round_trips_s=trips,
        demand_scale=streams.within("demand-scale", figures.demand_scale),
        companions=_companions(design, streams),
        sharing=streams.within("sharing", catalogue.sharing().factor),
        wifi_share=within("WIFI_SHARE"),
        tls_handshake_s=within("TLS_HANDSHAKE_S"),
        proxy_request_s=within("PROXY_REQUEST_S"),
        cache_command_s=within("CACHE_COMMAND_S"),
        disk_bytes_s=within("DISK_BYTES_S"),
        object_store_s=within("OBJECT_STORE_S"),
        cold_factor=within("COLD_FACTOR"),
        cold_s=within("COLD_S"),
    )


def waits_for_standby(database: Database) -> bool:
    """Whether a commit is acknowledged only after the standby has it."""
    return database.replication.startswith("synchronous") and database.commit != "local"


def _step_times(design: Design, figures: Figures, streams: Streams) -> dict[str, StepTimes]:
    """The active site's, and of other hardware that runs the model as far as it is known."""
    active = design.sites[design.sites_with("inference")[0]].hardware
    found = {active: figures.step_times.draw(streams)}
    for hardware, steps in figures.elsewhere.items():
        found.setdefault(hardware, steps.draw(streams))
    return found


def _companions(design: Design, streams: Streams) -> dict[tuple[str, str], CompanionCost]:
    costs: dict[tuple[str, str], CompanionCost] = {}
    for name, companion in design.companions.items():
        for site in companion.sites:
            hardware = design.sites[site].hardware
            if (name, hardware) not in costs:
                figure = companion_range(companion.model, hardware)
                costs[(name, hardware)] = figure.draw(streams, f"companion.{name}.{hardware}")
    return costs


def _clients_round_trip_s(design: Design, streams: Streams) -> float:
    found = link_between(design, "clients", design.sites_with("balancer")[0])
    return 0.0 if found is None else streams.within(f"link.{found[0]}", found[1].round_trip_s)


def _round_trips(design: Design, streams: Streams) -> dict[tuple[str, str], float]:
    trips: dict[tuple[str, str], float] = {}
    for one in design.sites:
        for other in design.sites:
            figure = round_trip_range(design, one, other)
            trips[(one, other)] = (
                0.0 if figure is None else streams.within(f"link.{figure[0]}", figure[1])
            )
    return trips
