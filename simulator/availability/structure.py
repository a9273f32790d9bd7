"""What of a design still serves when some of its parts are down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from architecture.design import Design
from architecture.topology import Service
from simulator.availability.functions import WRITES, functions_of
from simulator.availability.plant import Unit

# What a failure of the active seat starts, and the fault of the failover model that times it.
SEAT_FAULTS = {
    "failover": "primary-power-loss",
    "hang-failover": "primary-hang",
    "database-failover": "database-crash",
    "api-failover": "api-crash",
}
_BY_SERVICE = {"database": "database-failover", "api": "api-failover"}
# Parts that a unit takes down: "site:mac-1", "mac-1/database", "premises", "software",
# "region", "switch", or "switch#1" for one of several.
NETWORKS = ("switch", "wifi", "wan")


@dataclass(frozen=True)
class Part:
    """A unit and the parts it takes down; ``mode`` is its key in the design.

    ``share`` says which share of the mode's failures are this unit's: all, those that strike one
    alone, or those with a common cause; ``failover``, a key of :data:`SEAT_FAULTS`, what it starts
    when it strikes the active seat.
    """

    unit: Unit
    mode: str
    takes: frozenset[str]
    failover: str = "failover"
    share: str = "all"


def parts_of(design: Design) -> tuple[Part, ...]:
    """Every unit of a design that fails: of its failure modes, power, releases and pauses."""
    found: list[Part] = []
    for key in design.failures:
        found.extend(_of_mode(design, key))
    if design.power is not None:
        dark = frozenset({"premises"})
        found.extend(Part(Unit(n, "power"), "power", dark) for n in ("power-short", "power-long"))
    if design.releases is not None:
        found.append(Part(Unit("release", "release"), "releases", frozenset({"software"})))
    if design.pauses is not None and design.database.lease is not None:
        found.extend(
            Part(
                Unit(f"pause@{site}", "pause"),
                "pauses",
                frozenset({f"{site}/database"}),
                failover="hang-failover",
            )
            for site in design.database.sites
        )
    return tuple(found)


def _of_mode(design: Design, key: str) -> Iterable[Part]:
    mode = design.failures[key]
    struck = mode.struck(key)
    sites = design.failing_sites(key)
    if struck in {"region", "software"}:
        together = ["region"] if struck == "region" else [f"software@{site}" for site in sites]
        yield Part(Unit(key, key), key, frozenset(together))
        return
    if struck in NETWORKS:
        takes_of = {f"{key}#{copy + 1}": f"{struck}#{copy + 1}" for copy in range(mode.count)}
    elif struck == "site":
        takes_of = {f"{key}@{site}": f"site:{site}" for site in sites}
    else:
        takes_of = {f"{key}@{site}": f"{site}/{mode.service}" for site in sites}
    failover = _BY_SERVICE.get(mode.service or "", "failover")
    shared = mode.common_cause is not None and len(takes_of) > 1
    for name, part in takes_of.items():
        share = "alone" if shared else "all"
        yield Part(Unit(name, key), key, frozenset({part}), failover, share)
    if shared:
        every = frozenset(takes_of.values())
        yield Part(Unit(f"{key}@all", key), key, every, failover, "common")


class Structure:
    """Answers about a design, for sets of units that are down. Pure: the same set, the same answer.

    A *seat* is where the serving happens: with routing ``active-standby`` one of the hospital's
    sites with an API, whose own services are used first; else the hospital as a whole (one seat).
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        self.parts = parts_of(design)
        self.functions = functions_of(design)
        self.names = frozenset(self.functions.needs)
        self.hospital = tuple(n for n, s in design.sites.items() if s.location == "hospital")
        apis = tuple(site for site in design.sites_with("api") if site in self.hospital)
        self.seats = apis if design.edge.routing == "active-standby" and apis else ("",)
        balancers = tuple(s for s in design.sites_with("balancer") if s in self.hospital)
        shared = design.edge.shared_address is not None
        self.balancers = balancers if shared else balancers[:1]
        self.counts = {network: _count(design, network) for network in NETWORKS}
        self.emergency = design.emergency is not None
        self.network = cache(self._network)
        self.cloud = cache(self._cloud)
        self.balancer = cache(self._balancer)
        self.quorum = cache(self._quorum)
        self.serves = cache(self._serves)
        self._lost = cache(self._taken)

    def _taken(self, down: frozenset[int]) -> frozenset[str]:
        return frozenset().union(*(self.parts[unit].takes for unit in down))

    def dark(self, down: frozenset[int]) -> bool:
        """Whether the whole premises are without power."""
        return "premises" in self._lost(down)

    def _network(self, down: frozenset[int]) -> bool:
        """Whether clients have WiFi and a switch behind it."""
        return not self.dark(down) and self._has("wifi", down) and self._has("switch", down)

    def _cloud(self, down: frozenset[int]) -> bool:
        """Whether the hospital reaches the cloud, and there is one."""
        return self._has("wan", down) and "region" not in self._lost(down)

    def _has(self, network: str, down: frozenset[int]) -> bool:
        lost = self._lost(down)
        return any(f"{network}#{copy + 1}" not in lost for copy in range(self.counts[network]))

    def runs(self, site: str, service: Service, down: frozenset[int]) -> bool:
        """Whether a service of one of the hospital's sites is up."""
        lost = self._lost(down)
        if self.dark(down) or f"site:{site}" in lost or f"{site}/{service}" in lost:
            return False
        software = service not in {"etcd", "balancer", "control-plane"}
        return not (software and ("software" in lost or f"software@{site}" in lost))

    def _balancer(self, down: frozenset[int]) -> str:
        """The balancer that has the clients' address; empty when none has."""
        if not self.balancers:
            return "none-needed"
        up = (site for site in self.balancers if self.runs(site, "balancer", down))
        return next(up, "")

    def _quorum(self, down: frozenset[int]) -> bool:
        """Whether the database's lease can be held."""
        consensus = self.design.database.consensus
        if consensus is None or self.design.database.lease is None:
            return True
        voters = sum(self.runs(site, "etcd", down) for site in consensus.voters)
        return voters >= consensus.quorum

    def up_at(self, seat: int, service: Service, down: frozenset[int]) -> bool:
        """Whether a seat has the service: its own, else any in the hospital, else the cloud's."""
        hosts = [site for site in self.hospital if service in self._services(site)]
        if self.seats[seat] in hosts:
            return self.runs(self.seats[seat], service, down)
        if hosts:
            return any(self.runs(site, service, down) for site in hosts)
        return self._cloud(down)

    def _services(self, site: str) -> tuple[Service, ...]:
        return self.design.sites[site].services

    def machines(self, seat: int, down: frozenset[int]) -> bool:
        """Whether a seat has an API and a database, whatever the quorum says."""
        return self.up_at(seat, "api", down) and self.up_at(seat, "database", down)

    def copies(self, down: frozenset[int]) -> int:
        """Hospital sites whose database runs."""
        sites = [site for site in self.design.database.sites if site in self.hospital]
        return sum(self.runs(site, "database", down) for site in sites)

    def _serves(self, down: frozenset[int], seat: int, *, by_hand: bool = False) -> frozenset[str]:
        """Functions that a seat serves; ``by_hand``: the lost quorum has been made good by hand.

        Networks and balancers are not looked at.
        """
        lease = by_hand or self.quorum(down)
        strict = self.design.database.replication == "synchronous-strict"
        read_only = strict and self.copies(down) < 2  # noqa: PLR2004
        served = set()
        for name, services in self.functions.needs.items():
            if "database" in services and not lease:
                continue
            if name in WRITES and "database" in services and read_only:
                continue
            if all(self.up_at(seat, service, down) for service in services):
                served.add(name)
        return frozenset(served)


def _count(design: Design, network: str) -> int:
    counts = [mode.count for key, mode in design.failures.items() if mode.struck(key) == network]
    return max(counts, default=1)
