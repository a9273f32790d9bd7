"""The terms of a failover that follow from a design's settings, and where they come from.

A fault strikes the site of the primary at time 0. From then on run, partly side by side:

- the balancer's checks of that site fail until it is marked down (API and database listener);
- the leader's lease runs out, or a failure detector that has made sure of the death revokes it; the
  standby notices, asks its peers, and promotes itself;
- the balancer's checks of the standby succeed until it is marked up;
- the API finds a connection to the new primary, and a client tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from architecture.design import Design
from architecture.edge import HealthCheck

FaultName = Literal["primary-power-loss", "primary-crash"]
FAULTS: tuple[FaultName, ...] = ("primary-power-loss", "primary-crash")

# etcd looks for expired leases every half second (lease/lessor.go, runLoop).
LEASE_SCAN_S = 0.5
# An etcd election starts after one to two election timeouts (raft's randomised timeout); the new
# leader then prolongs every lease to its full length and one election timeout (Lessor.Promote).
LEASE_EXTENSION_ELECTIONS = 1
# Patroni asks every known member, the dead leader too, before it promotes; in failsafe mode also
# those whose record is gone. Its time-out is fixed (patroni/ha.py, fetch_node_status); a refused
# connection costs nothing.
PEER_STATUS_TIMEOUT_S = 2.0
# A failure detector asks the standby, fences the dead site and revokes its lease: low and high of
# what that took on the reference stack (docs/calibration.md). The lease takes the dead member's own
# record along, so nobody waits for its answer, and revoking needs no scan.
DETECTOR_ACTS_S = (0.05, 0.5)
# HAProxy tries a request three times (`retries 2`), a second apart when the connection is refused,
# the last time on any server that is up by then (`option redispatch`).
EDGE_TRIES = 3
EDGE_RETRY_DELAY_S = 1.0
# The API opens lost database connections again every 0.25 s ± 20 %; one attempt at a server that
# accepts and says nothing lasts two seconds, libpq's shortest time-out.
RECONNECT_S = 0.3
CONNECT_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Terms:
    """A design's settings for one fault, resolved. Times are seconds, sites are names.

    Attributes:
        primary: The site that is struck.
        standby: The site that is promoted; None when none can be.
        silent: Whether the struck site goes silent (power loss) instead of refusing (crash).
        api_struck: Whether that site's API was the one that served.
        api_survives: Whether another API can serve.
        etcd_leader_risk: Probability that etcd's own leader dies with the site.
        detector: Check of the failure detector that can revoke the lease; None without one.
    """

    primary: str
    standby: str | None
    silent: bool
    api_struck: bool
    api_survives: bool
    etcd_leader_risk: float
    detector: HealthCheck | None


def resolve(design: Design, fault: FaultName, primary: str | None = None) -> Terms:
    """What ``fault`` means for ``design`` when ``primary`` (by default the first) is the primary.

    Raises:
        ValueError: for a fault that is not modelled, or a primary without a database.
    """
    if fault not in FAULTS:
        raise ValueError(f"fault '{fault}' is not modelled (modelled: {', '.join(FAULTS)})")
    struck = design.database.sites[0] if primary is None else primary
    if struck not in design.database.sites:
        known = ", ".join(design.database.sites)
        raise ValueError(f"primary '{struck}' holds no replicated database (sites: {known})")
    emergency = design.emergency.site if design.emergency is not None else None
    apis = [site for site in design.sites_with("api") if site != emergency]
    serving = apis[:1] if design.edge.routing == "active-standby" else apis
    return Terms(
        primary=struck,
        standby=_standby(design, struck),
        silent=fault == "primary-power-loss",
        api_struck=struck in serving,
        api_survives=any(site != struck for site in design.sites_with("api")),
        etcd_leader_risk=_etcd_leader_risk(design, struck),
        detector=_detector(design, struck),
    )


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


def failed_check_s(check: HealthCheck, *, silent: bool) -> float:
    """What one failing check takes: nothing when refused, the time-out when nothing answers."""
    return check.timeout_s if silent else 0.0


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
