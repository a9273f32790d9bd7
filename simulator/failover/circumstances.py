"""What chance decides about one fault, apart from what follows from it.

Every share is in [0, 1), so that a worst case can be played through the same model as a random one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Circumstances:
    """Shares of what can happen; "left" means left of the interval until the next check.

    Attributes:
        api_check: Left until the struck API is checked next.
        second_check: Left until the other node's API is checked next, when both are struck.
        other_checks: Left until the last of all other servers on the struck nodes is checked.
        database_check: Left until the struck database is checked next.
        standby_check: Left until the standby's database is checked next.
        detector_check: Left until the failure detector checks next.
        detector_acts: Of the time it needs to make sure, fence and revoke.
        lease_age: Age of the lease at the fault, of loop_wait.
        lease_scan: Of etcd's scan interval from the lease's end until it is seen.
        etcd_leader: etcd's own leader is struck when this is below its risk.
        election: Of the raft election time-out, between one and two time-outs.
        promotion: Quantile of the promotion's duration.
        reconnection: Of the longest reconnection delay the API happens to need.
        loop: Left until Patroni's next loop.
        reply_age: Age of the standby's last word, of the interval between two.
        keeper_look: Left until the keeper beside the primary looks next.
        restart: Quantile of a process's (or PostgreSQL's) start.
        shutdown: Quantile of the old primary's shutdown in a planned move.
        begins: Quantile of the time until a planned move ends the old primary's sessions.
        controller_first: Left until the fallback controller checks its first target next.
        controller_second: … its second.
        controller_third: … its third.
        controller_fourth: … its fourth.
        view_age: Of the longest time until a balancer's word reaches the controller.
        obeys: Of the longest time until the controller acts on what was decided.
        cloud_acts: Quantile of fencing, noting and telling the cloud.
        advertisement: Age of the dead balancer's last VRRP advertisement.
    """

    api_check: float = 0.0
    second_check: float = 0.0
    other_checks: float = 0.0
    database_check: float = 0.0
    standby_check: float = 0.0
    detector_check: float = 0.0
    detector_acts: float = 0.0
    lease_age: float = 0.0
    lease_scan: float = 0.0
    etcd_leader: float = 0.0
    election: float = 0.0
    promotion: float = 0.0
    reconnection: float = 0.0
    loop: float = 0.0
    reply_age: float = 0.0
    keeper_look: float = 0.0
    restart: float = 0.0
    shutdown: float = 0.0
    begins: float = 0.0
    controller_first: float = 0.0
    controller_second: float = 0.0
    controller_third: float = 0.0
    controller_fourth: float = 0.0
    view_age: float = 0.0
    obeys: float = 0.0
    cloud_acts: float = 0.0
    advertisement: float = 0.0

    @property
    def controller_checks(self) -> tuple[float, float, float, float]:
        """Shares left until the fallback controller checks each of its targets next."""
        return (
            self.controller_first, self.controller_second, self.controller_third,
            self.controller_fourth,
        )  # fmt: skip


SHARES: tuple[str, ...] = tuple(field.name for field in fields(Circumstances))


def draw_circumstances(generator: np.random.Generator) -> Circumstances:
    """One fault at a random moment; the same generator state gives the same for every design."""
    drawn = generator.random(len(SHARES)).tolist()
    return Circumstances(**dict(zip(SHARES, drawn, strict=True)))
