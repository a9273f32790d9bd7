"""A fault resolved against a design: who is struck, who is left, who notices.

The terms of a failover, in this order; detection and the lease's end run side by side:

- **detect**: until whoever has to act holds the struck part for dead;
- **lease**: until the leader's lease is gone;
- **election**: from then until it is settled who serves (etcd's own election delays the lease; here
  the standby asks its peers, the controller asks everyone again, a person gives the word);
- **promote**: until the new primary accepts writes (or the old one again);
- **reroute**: until the balancer leads there;
- **reconnect**: until the API has a connection;
- and what the client adds by trying at its own times.
"""

from __future__ import annotations

from dataclasses import dataclass

from architecture.design import Design
from architecture.edge import HealthCheck
from simulator.failover.faults import (
    EDGE_FAULTS,
    FAULTS,
    PRIMARY_FAULTS,
    FaultName,
    Response,
    faults_of,
    response,
)


@dataclass(frozen=True)
class TermTimes:
    """The terms of one failover, seconds.

    ``detect_s`` and ``lease_s`` count from the fault, the others from the end of what comes before
    them. 0 where a fault has no such term, infinite where it never ends.
    """

    detect_s: float = 0.0
    lease_s: float = 0.0
    election_s: float = 0.0
    promote_s: float = 0.0
    reroute_s: float = 0.0
    reconnect_s: float = 0.0


@dataclass(frozen=True)
class Terms:
    """A design's settings for one fault, resolved. Times are seconds, sites are names.

    Attributes:
        fault: Which.
        primary: The site of the primary at the fault.
        standby: The site that is promoted; None when none can be.
        response: How what is struck answers.
        api_struck: Whether an API that served was struck, or a way to it.
        api_survives: Whether another API can serve.
        chat_survives: Whether another API with a language model of its own can serve.
        etcd_leader_risk: Probability that etcd's own leader is struck too.
        detector: Check of the failure detector that can revoke the lease; None without one.
        dead_ways: Ways in, in the clients' order, at which no balancer answers.
        shared: Whether balancers left over take the dead one's address.
        at_cloud: Whether the emergency API is the one that then serves.
    """

    fault: FaultName
    primary: str
    standby: str | None
    response: Response
    api_struck: bool
    api_survives: bool
    chat_survives: bool
    etcd_leader_risk: float
    detector: HealthCheck | None
    dead_ways: int = 0
    shared: bool = False
    at_cloud: bool = False

    @property
    def silent(self) -> bool:
        """Whether a question to what is struck lasts its whole time-out."""
        return self.response != "refused"


def resolve(design: Design, fault: FaultName, primary: str | None = None) -> Terms:
    """What ``fault`` means for ``design`` when ``primary`` (by default the first) is the primary.

    Raises:
        ValueError: for a fault that is not modelled for this design, or a primary without a
            database.
    """
    if fault not in faults_of(design):
        known = ", ".join(faults_of(design) if fault in FAULTS else FAULTS)
        raise ValueError(f"fault '{fault}' is not modelled for {design.name} (modelled: {known})")
    primary = design.database.sites[0] if primary is None else primary
    if primary not in design.database.sites:
        known = ", ".join(design.database.sites)
        raise ValueError(f"primary '{primary}' holds no replicated database (sites: {known})")
    struck = _struck_sites(design, fault, primary)
    emergency = design.emergency.site if design.emergency is not None else None
    apis = [site for site in design.sites_with("api") if site != emergency]
    serving = apis[:1] if design.edge.routing == "active-standby" else apis
    if fault in {"api-crash", "inference-crash"}:
        struck = serving[:1]
    left = [site for site in design.sites_with("api") if site not in struck]
    with_model = [site for site in left if "inference" in design.sites[site].services]
    dead_ways, shared, at_cloud = _ways(design, fault)
    return Terms(
        fault=fault,
        primary=primary,
        standby=_standby(design, primary),
        response=response(fault),
        api_struck=_api_struck(fault, set(struck), set(serving)),
        api_survives=bool(left),
        chat_survives=bool(with_model),
        etcd_leader_risk=_etcd_leader_risk(design, primary) if fault in PRIMARY_FAULTS else 0.0,
        detector=_detector(design, primary),
        dead_ways=dead_ways,
        shared=shared,
        at_cloud=at_cloud,
    )


def _struck_sites(design: Design, fault: FaultName, primary: str) -> list[str]:
    if fault in PRIMARY_FAULTS:
        return [primary]
    if fault == "standby-power-loss":
        return [site for site in design.database.sites if site != primary]
    if fault == "both-power-loss":
        return list(design.database.sites)
    if fault == "site-loss":
        return [name for name, site in design.sites.items() if site.location == "hospital"]
    return []


def _api_struck(fault: FaultName, struck: set[str], serving: set[str]) -> bool:
    if fault in {"inference-crash", *EDGE_FAULTS}:
        return False
    return bool(struck & serving)


def _ways(design: Design, fault: FaultName) -> tuple[int, bool, bool]:
    """Dead ways in before a living one, whether the address moves, and whether it is the cloud's.

    Clients know the shared address, or each balancer when there is none, then the cloud's way in.
    """
    balancers = design.sites_with("balancer")
    ways = len(balancers) if design.edge.shared_address is None else 1
    if fault == "site-loss":
        return ways, False, True
    if fault == "balancer-loss":
        if design.edge.shared_address is not None and len(balancers) > 1:
            return 1, True, False
        return 1, False, len(balancers) == 1
    return 0, False, fault == "both-power-loss"


def _standby(design: Design, struck: str) -> str | None:
    """The site that can be promoted: a replica, and enough voters left to grant it the lease."""
    database = design.database
    others = [site for site in database.sites if site != struck]
    if database.replication == "none" or database.consensus is None or not others:
        return None
    left = sum(voter != struck for voter in database.consensus.voters)
    return others[0] if left >= database.consensus.quorum else None


def _detector(design: Design, struck: str) -> HealthCheck | None:
    detector = design.database.failure_detector
    return detector.check if detector is not None and detector.site != struck else None


def _etcd_leader_risk(design: Design, struck: str) -> float:
    consensus = design.database.consensus
    if consensus is None or struck not in consensus.voters:
        return 0.0
    if consensus.preferred_leader is None:
        return 1 / len(consensus.voters)
    return float(consensus.preferred_leader == struck)


def survives_standby(design: Design, primary: str) -> bool:
    """Whether the primary keeps its lease, and may commit, when the other node is lost."""
    consensus = design.database.consensus
    others = [site for site in design.database.sites if site != primary]
    if consensus is None:
        return True
    return sum(voter not in others for voter in consensus.voters) >= consensus.quorum


def notes(design: Design) -> list[str]:
    """What a reader of the predicted failover times must know about this design."""
    found = []
    database = design.database
    if database.replication != "none" and _standby(design, database.sites[0]) is None:
        consensus = database.consensus
        voters = len(consensus.voters) if consensus is not None else 0
        found.append(
            f"With {voters} voters the loss of the primary's site leaves no quorum: no standby is "
            "ever promoted, and reads and writes stay away until somebody acts (D-01)."
        )
    risk = _etcd_leader_risk(design, database.sites[0])
    if risk > 0:
        found.append(
            f"etcd's own leader dies with the primary with probability {risk:.2f}; every lease "
            "then starts again, which costs a lease more (set database.consensus.preferred_leader)."
        )
    return found
