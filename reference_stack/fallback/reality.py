"""The world as it is: Patroni, etcd and the power controller over the network."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg

from reference_stack.database.patroni import CLOUD_SLOT, HOSPITAL_SCOPE, HOSPITAL_SLOT
from reference_stack.edge.admin import balancer_admin
from reference_stack.edge.haproxy import DATABASE
from reference_stack.errors import StackError
from reference_stack.fallback.control_data import control_data, lsn_bytes
from reference_stack.fallback.etcd_config import EtcdConfig
from reference_stack.fallback.patroni_control import PatroniControl, received_bytes, role
from reference_stack.fallback.settings import ControllerSettings
from reference_stack.fallback.sights import edge_answers
from reference_stack.handle import StackHandle
from reference_stack.rendering import DATABASE_NAME, database_url

CONFIG_KEY = f"/prontuario/{HOSPITAL_SCOPE}/config"
CLOSE_BYTES = 1_048_576
FAST_PROBE_S = 0.05
PROMOTION_PATIENCE_S = 5.0
#: A shutdown checkpoint is the last record of a WAL: 24 bytes of record header, 2 of data header
#: and 88 of CheckPoint (PostgreSQL 15, access/xlogrecord.h, catalog/pg_control.h).
SHUTDOWN_RECORD_BYTES = 114
NEXT_XID = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


class Reality:
    """See :class:`world.World`; ``at_gate`` tells which nodes wait at their gates just now."""

    def __init__(self, settings: ControllerSettings, at_gate: Callable[[], frozenset[str]]) -> None:
        self._settings = settings
        self._at_gate = at_gate
        self._nodes = {
            node: PatroniControl(settings.endpoint(node, "patroni")) for node in settings.nodes
        }
        self._cloud = PatroniControl(settings.endpoint(settings.cloud, "patroni"))
        consensus = settings.design.database.consensus
        voters = consensus.voters if consensus is not None else ()
        self._etcd = EtcdConfig(
            [settings.endpoint(voter, "etcd").url for voter in voters], CONFIG_KEY
        )

    def edge_reachable(self) -> bool:
        return edge_answers(self._settings)

    def cut_power(self, node: str) -> bool:
        try:
            StackHandle.attach(self._settings.directory).kill(node)
        except StackError:
            return False
        return True

    def power_on(self, node: str) -> None:
        with contextlib.suppress(StackError):
            StackHandle.attach(self._settings.directory).start(node)

    def waiting(self) -> frozenset[str]:
        answering = {node for node, patroni in self._nodes.items() if patroni.answers()}
        return self._at_gate() | answering

    def hospital_quorum(self) -> bool:
        return self._etcd.read() is not None

    def hospital_primaries(self) -> frozenset[str]:
        return frozenset(node for node, patroni in self._nodes.items() if patroni.is_primary())

    def hospital_streaming(self) -> frozenset[str]:
        leader = self._standby_leader()
        if leader is None:
            return frozenset()
        cloud = (self._cloud.state() or {}).get("xlog", {}).get("location")
        timeline = (self._cloud.state() or {}).get("timeline")
        close = set()
        for node, patroni in self._nodes.items():
            state = patroni.state() or {}
            position = received_bytes(state)
            streams = state.get("replication_state") == "streaming"
            if streams and position is not None and cloud is not None and (
                int(cloud) - position < CLOSE_BYTES
                and state.get("timeline") == timeline
            ):  # fmt: skip
                close.add(node)
        return frozenset(close) if leader in close else frozenset()

    def hospital_position(self) -> int | None:
        leader = self._standby_leader()
        return None if leader is None else received_bytes(self._nodes[leader].state())

    def hospital_follows_cloud(self) -> bool:
        document = self._etcd.read()
        return document is not None and document.get("standby_cluster") == self._follow_cloud()

    def tell_hospital_to_follow(self) -> None:
        self._etcd.change("standby_cluster", self._follow_cloud())

    def tell_hospital_to_lead(self) -> None:
        leader = self._standby_leader()
        # Only through the standby leader: it wakes up at once.
        if leader is not None and self._nodes[leader].patch({"standby_cluster": None}):
            _patiently(lambda: bool(self.hospital_primaries()))

    def cloud_mark(self) -> dict[str, Any] | None:
        config = self._cloud.config()
        if config is None:
            return None
        state, next_xid = self._cloud.state(), self._ask_cloud(NEXT_XID)
        if self._cloud.is_primary():
            next_xid = None  # it counts what the cloud wrote itself
        return {
            "standby_cluster": config.get("standby_cluster") or self._follow_hospital(),
            "next_xid": None if next_xid is None else int(next_xid) % 2**32,
            "position": received_bytes(state),
        }

    def cloud_primary(self) -> bool:
        return self._cloud.is_primary()

    def cloud_follows_hospital(self) -> bool:
        state = self._cloud.state() or {}
        return state.get("replication_state") == "streaming" and self._cloud.is_standby_leader()

    def cloud_position(self) -> int | None:
        """From the control file as soon as the server has written its last record.

        It may be busy with its archive for seconds after that, and nobody can write meanwhile.
        """
        try:
            control = control_data(self._settings.data_directory, self._settings.postgresql)
        except StackError:
            control = {}
        if control.get("Database cluster state") == "shut down":
            return lsn_bytes(control["Latest checkpoint location"]) + SHUTDOWN_RECORD_BYTES
        state = self._cloud.state()
        return received_bytes(state) if role(state) in {"replica", "standby_leader"} else None

    def tell_cloud_to_lead(self) -> None:
        if self._cloud.patch({"standby_cluster": None}):
            _patiently(self.cloud_primary)

    def tell_cloud_to_follow(self, block: dict[str, Any]) -> None:
        self._ask_cloud("CHECKPOINT")  # so that the one at the end is short
        if self._cloud.patch({"standby_cluster": block}):
            _patiently(lambda: self.cloud_position() is not None)

    def cloud_keeps_wal(self) -> bool:
        config = self._cloud.config()
        if config is None:
            return False
        if HOSPITAL_SLOT in (config.get("slots") or {}):
            return True
        slot = {"type": "physical", "cluster_type": "primary"}
        return self._cloud.patch({"slots": {HOSPITAL_SLOT: slot}})

    def hasten_balancers(self, node: str | None) -> None:
        admin = balancer_admin(self._settings.design, self._settings.addresses.plan)
        with contextlib.suppress(StackError):
            admin.force_up(DATABASE, node or self._settings.cloud)

    def _standby_leader(self) -> str | None:
        for node, patroni in self._nodes.items():
            if patroni.is_standby_leader():
                return node
        return None

    def _follow_cloud(self) -> dict[str, Any]:
        """Patroni's block that makes the hospital follow the cloud."""
        server = self._settings.endpoint(self._settings.cloud, "database")
        return {
            "host": server.host,
            "port": server.port,
            "primary_slot_name": HOSPITAL_SLOT,
            "create_replica_methods": ["basebackup"],
        }

    def _follow_hospital(self) -> dict[str, Any]:
        servers = [self._settings.endpoint(node, "database") for node in self._settings.nodes]
        ports = {server.port for server in servers}
        return {
            "host": ",".join(server.host for server in servers),
            "port": ports.pop() if len(ports) == 1 else ",".join(str(s.port) for s in servers),
            "primary_slot_name": CLOUD_SLOT,
            "create_replica_methods": ["basebackup"],
        }

    def _ask_cloud(self, query: LiteralString) -> str | None:
        server = self._settings.endpoint(self._settings.cloud, "database")
        url = database_url([server], "postgres", self._settings.superuser_password, DATABASE_NAME)
        try:
            with psycopg.connect(f"{url}?connect_timeout=2", autocommit=True) as connection:
                cursor = connection.execute(query)
                row = cursor.fetchone() if cursor.description else None
        except psycopg.Error:
            return None
        return str(row[0]) if row else None


def _patiently(condition: Callable[[], bool]) -> None:
    """Look closely for a while, where every tenth of a second is an outage."""
    end = time.monotonic() + PROMOTION_PATIENCE_S
    while not condition() and time.monotonic() < end:
        time.sleep(FAST_PROBE_S)
