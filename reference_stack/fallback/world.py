"""What the steps can see and do, apart from how."""

from __future__ import annotations

from typing import Any, Protocol


class World(Protocol):
    """The hospital and the cloud as the controller reaches them; every call is bounded in time.

    Each deed may be repeated. None and False mean "not known to be" as much as "not".
    """

    def edge_reachable(self) -> bool:
        """Whether some edge site of the hospital answers, so that a fence can be trusted."""

    def cut_power(self, node: str) -> bool:
        """End everything on a node; True when the power controller confirmed it."""

    def power_on(self, node: str) -> None:
        """Give a node its power back; nothing happens when it has it."""

    def waiting(self) -> frozenset[str]:
        """Nodes that are back: they wait at their gate, or their Patroni answers."""

    def hospital_quorum(self) -> bool:
        """Whether the hospital's etcd can take a write."""

    def hospital_primaries(self) -> frozenset[str]:
        """Nodes whose Patroni calls itself primary."""

    def hospital_streaming(self) -> frozenset[str]:
        """Nodes that follow the cloud closely, directly or by the standby leader; or nothing."""

    def hospital_position(self) -> int | None:
        """How far (bytes of WAL) the hospital's standby leader has received."""

    def hospital_follows_cloud(self) -> bool:
        """Whether the hospital's consensus holds the order to follow the cloud."""

    def tell_hospital_to_follow(self) -> None:
        """Write that order, also while no Patroni of the hospital runs."""

    def tell_hospital_to_lead(self) -> None:
        """Take that order back, through the standby leader, which promotes itself."""

    def cloud_mark(self) -> dict[str, Any] | None:
        """Where the cloud's copy ends before it is promoted, and how it followed the hospital.

        ``standby_cluster``: Patroni's block; ``next_xid``: the oldest transaction that the cloud
        may not know whole (None when not told).
        """

    def cloud_primary(self) -> bool:
        """Whether the cloud's Patroni calls itself primary."""

    def cloud_follows_hospital(self) -> bool:
        """Whether the cloud streams from the hospital as a standby."""

    def cloud_position(self) -> int | None:
        """Where the WAL of the cloud ends once it is no primary any more; None while it is."""

    def tell_cloud_to_lead(self) -> None:
        """Take back the cloud's order to follow."""

    def tell_cloud_to_follow(self, block: dict[str, Any]) -> None:
        """Order the cloud to follow the hospital by Patroni's ``standby_cluster`` block."""

    def cloud_keeps_wal(self) -> bool:
        """Make the cloud keep the WAL that the hospital needs; True when it does."""

    def hasten_balancers(self, node: str | None) -> None:
        """Spare clients the balancers' next check of the new primary (None: the cloud's)."""
