"""A small model of hospital and cloud that obeys the physics the controller relies on.

It answers what :class:`reference_stack.fallback.world.World` asks. Nodes may die and come back at
any moment; while their gate is open and no order to follow the cloud is held, the first node with
quorum becomes primary, as Patroni would. The model counts what must never happen: two primaries
with power at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reference_stack.fallback.journal import Journal

NODES = ("mac-1", "mac-2")


@dataclass
class Simulated:
    """The whole of it.

    ``alive``: nodes with power. ``started``: nodes whose Patroni runs. ``may_lead``: nodes that
    Patroni's synchronous mode lets become primary, as they hold every acknowledged commit.
    ``hidden``: nobody outside sees the nodes, though they live. ``cloud_connected``: WAL flows
    between hospital and cloud.
    """

    journal: Journal | None = None
    alive: set[str] = field(default_factory=lambda: set(NODES))
    started: set[str] = field(default_factory=lambda: set(NODES))
    hospital_primary: str | None = "mac-1"
    may_lead: set[str] = field(default_factory=lambda: set(NODES))
    hospital_follows: bool = False
    cloud_is_primary: bool = False
    edge: bool = True
    hidden: bool = False
    wal: dict[str, set[int]] = field(
        default_factory=lambda: {"mac-1": set(), "mac-2": set(), "gcp": set()}
    )
    cloud_connected: bool = True
    acknowledged: set[int] = field(default_factory=set)
    next_note: int = 0
    violations: list[str] = field(default_factory=list)

    # What happens by itself.

    def breathe(self) -> None:
        """A moment passes: gates open or not, Patroni elects, replication flows."""
        self._obey_gates()
        self._elect()
        self._replicate()
        if self.cloud_is_primary and self.hospital_primary is not None:
            self.violations.append("two primaries")

    def die(self, node: str) -> None:
        self.alive.discard(node)
        self.started.discard(node)
        if self.hospital_primary == node:
            self.hospital_primary = None

    def come_back(self, node: str) -> None:
        self.alive.add(node)

    def write(self) -> None:
        """A clinician's note goes to whoever is primary and is acknowledged.

        In the hospital it is on both nodes that live, as replication is synchronous.
        """
        if self.hospital_primary is not None:
            holders = self.started | {self.hospital_primary}
        elif self.cloud_is_primary:
            holders = {"gcp"}
        else:
            return
        for holder in holders:
            self.wal[holder].add(self.next_note)
        self.acknowledged.add(self.next_note)
        self.next_note += 1

    def _state(self) -> Any:
        assert self.journal is not None
        return self.journal.state

    def _obey_gates(self) -> None:
        state = self._state()
        for node in sorted(self.alive - self.started):
            order = state.order(node)
            if order == "salvage" and (self.cloud_is_primary or self.hospital_primary):
                target = "gcp" if self.cloud_is_primary else str(self.hospital_primary)
                self.wal[target] |= self.wal[node]
                assert self.journal is not None
                state = self.journal.append("salvaged", site=node)
                order = state.order(node)
            if order == "start":
                self.started.add(node)

    def _elect(self) -> None:
        # The witness and one node are a quorum.
        if self.hospital_follows:
            self.hospital_primary = None
        elif self.hospital_primary is None and self.started:
            self.hospital_primary = min(self.started & self.may_lead, default=None)

    def _replicate(self) -> None:
        """Streaming; a follower that had diverged is rewound, so its own rows are gone."""
        if not self.hospital_primary and self.hospital_follows:
            for node in self.started if self.cloud_connected else ():
                self.wal[node] = set(self.wal["gcp"])
        elif self.hospital_primary is not None:
            for node in self.started:
                self.wal[node] = set(self.wal[self.hospital_primary])
            self.may_lead = set(self.started)
            if self.cloud_connected and not self.cloud_is_primary:
                self.wal["gcp"] = set(self.wal[self.hospital_primary])

    # What the controller sees and does.

    def edge_reachable(self) -> bool:
        return self.edge

    def cut_power(self, node: str) -> bool:
        self.die(node)
        return True

    def power_on(self, node: str) -> None:
        self.come_back(node)

    def waiting(self) -> frozenset[str]:
        return frozenset() if self.hidden else frozenset(self.alive)

    def hospital_quorum(self) -> bool:
        return bool(self.alive)

    def hospital_primaries(self) -> frozenset[str]:
        seen = self.hospital_primary is not None and not self.hidden
        return frozenset({str(self.hospital_primary)} if seen else ())

    def hospital_streaming(self) -> frozenset[str]:
        return frozenset(
            n for n in self.started if self.hospital_follows and self.wal[n] == self.wal["gcp"]
        )

    def hospital_position(self) -> int | None:
        if not self.started or not self.hospital_follows:
            return None
        return max(len(self.wal[node]) for node in self.started)

    def hospital_follows_cloud(self) -> bool:
        return self.hospital_follows and self.hospital_quorum()

    def tell_hospital_to_follow(self) -> None:
        self.hospital_follows = self.hospital_quorum() or self.hospital_follows

    def tell_hospital_to_lead(self) -> None:
        # The standby leader becomes primary as it holds the lease, and it is the furthest.
        if self.started:
            self.hospital_follows = False
            self.may_lead = {max(sorted(self.started), key=lambda n: len(self.wal[n]))}
            self._elect()

    def cloud_mark(self) -> dict[str, Any] | None:
        return {"standby_cluster": {"host": "hospital"}, "next_xid": None, "position": 0}

    def cloud_primary(self) -> bool:
        return self.cloud_is_primary

    def cloud_follows_hospital(self) -> bool:
        return not self.cloud_is_primary and self.hospital_primary is not None

    def cloud_position(self) -> int | None:
        return None if self.cloud_is_primary else len(self.wal["gcp"])

    def tell_cloud_to_lead(self) -> None:
        self.cloud_is_primary = True

    def tell_cloud_to_follow(self, block: dict[str, Any]) -> None:
        assert block
        self.cloud_is_primary = False

    def cloud_keeps_wal(self) -> bool:
        return True

    def hasten_balancers(self, node: str | None) -> None:
        pass
