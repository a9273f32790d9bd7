"""Patroni: its configuration, rendered from the design, and its REST API as checks see it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from architecture.design import Design
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.database.stop_signal import before_stop

HOSPITAL_SCOPE = "hospital"
CLOUD_SCOPE = "cloud"
#: Slots the two clusters keep for each other: whichever is primary keeps the WAL the other needs.
CLOUD_SLOT = "cloud_site"
HOSPITAL_SLOT = "hospital_site"
#: More WAL than this is not kept for a standby that is away: it then needs a new base backup, but
#: the primary's disk never fills.
MAX_SLOT_WAL_KEEP_SIZE = "2GB"
#: A primary that neither starts nor stops in this time is given up, as the synchronous standby has
#: every acknowledged commit. Patroni's defaults are 300 s and for ever.
PRIMARY_PATIENCE_S = 10
_SLOT_FOR_THE_OTHER_CLUSTER = {"type": "physical", "cluster_type": "primary"}
TCP_KEEPALIVE = {
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
}


def configuration(
    design: Design, site: str, *, addresses: AddressPlan, secrets: Mapping[str, str], folder: Path,
    binaries: Path, parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Patroni's YAML for one site, as a document.

    The site of ``database.cloud_standby`` is rendered as a standby cluster of its own; the others
    form the hospital's cluster. ``parameters`` are PostgreSQL's that hold for this site alone.
    """
    database = design.database
    cloud = database.cloud_standby is not None and database.cloud_standby.site == site
    consensus = database.consensus
    if cloud and database.cloud_standby is not None:
        consensus = database.cloud_standby.consensus
    if consensus is None or database.lease is None:
        raise ValueError(f"design {design.name}: the database has no consensus or lease to render")
    here = addresses.endpoint(site, "database")
    rest = addresses.endpoint(site, "patroni")
    return {
        "scope": CLOUD_SCOPE if cloud else HOSPITAL_SCOPE,
        "namespace": "/prontuario/",
        "name": site,
        "log": {"level": "INFO"},
        "restapi": {"listen": str(rest), "connect_address": str(rest)},
        # The site's own member first, and no other by chance: a watch on the member of a site that
        # dies hears nothing, and the standby would not know that the lease is gone before its next
        # loop. (`use_proxies` keeps Patroni from shuffling the members.)
        "etcd3": {
            "hosts": [
                str(addresses.endpoint(voter, "etcd"))
                for voter in sorted(consensus.voters, key=lambda voter: voter != site)
            ],
            "use_proxies": True,
        },
        "bootstrap": {
            "dcs": _dynamic(design, addresses, cloud=cloud),
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": str(here),
            "connect_address": str(here),
            "data_dir": str(folder / "postgresql"),
            "bin_dir": str(binaries),
            "pgpass": str(folder / "pgpass"),
            "authentication": {
                "superuser": {"username": "postgres", "password": secrets["superuser"]},
                "replication": {"username": "replicator", "password": secrets["replication"]},
                "rewind": {"username": "rewinder", "password": secrets["rewind"]},
            },
            "pg_hba": [
                f"host replication replicator {addresses.network} scram-sha-256",
                f"host all all {addresses.network} scram-sha-256",
            ],
            "parameters": {"unix_socket_directories": "", **(parameters or {})},
            "basebackup": [{"checkpoint": "fast"}],
            "before_stop": before_stop(folder / "postgresql", binaries),
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
    }


def _dynamic(design: Design, addresses: AddressPlan, *, cloud: bool) -> dict[str, Any]:
    database = design.database
    lease = database.lease
    if lease is None:
        raise ValueError(f"design {design.name}: database.lease is missing")
    dynamic: dict[str, Any] = {
        "ttl": lease.ttl_s,
        "loop_wait": lease.loop_wait_s,
        "retry_timeout": lease.retry_timeout_s,
        "maximum_lag_on_failover": _maximum_lag_bytes(database.replication),
        "check_timeline": True,
        "primary_start_timeout": PRIMARY_PATIENCE_S,
        "primary_stop_timeout": PRIMARY_PATIENCE_S,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": _parameters(design, cloud=cloud),
        },
    }
    if cloud:
        hosts = [addresses.endpoint(site, "database") for site in database.sites]
        ports = [host.port for host in hosts]
        # One port for all hosts when it is the same: Patroni's password file knows no lists.
        port = ports[0] if len(set(ports)) == 1 else ",".join(str(port) for port in ports)
        dynamic["standby_cluster"] = {
            "host": ",".join(host.host for host in hosts),
            "port": port,
            "primary_slot_name": CLOUD_SLOT,
            "create_replica_methods": ["basebackup"],
        }
        dynamic["slots"] = {HOSPITAL_SLOT: _SLOT_FOR_THE_OTHER_CLUSTER}
        return dynamic
    dynamic["synchronous_mode"] = database.replication.startswith("synchronous")
    dynamic["synchronous_mode_strict"] = database.replication == "synchronous-strict"
    dynamic["synchronous_node_count"] = 1
    # With all of etcd gone the primary stays primary as long as every other member agrees.
    dynamic["failsafe_mode"] = True
    if database.cloud_standby is not None:
        dynamic["slots"] = {CLOUD_SLOT: _SLOT_FOR_THE_OTHER_CLUSTER}
    return dynamic


def _maximum_lag_bytes(replication: str) -> int:
    """How far behind a standby may be and still be promoted.

    Asynchronously this bounds what is lost. Synchronously nothing acknowledged can be missing, and
    a bound would only refuse a standby for the sake of a large commit that was never acknowledged.
    """
    return 1 << 20 if replication == "asynchronous" else 1 << 30


def _parameters(design: Design, *, cloud: bool) -> dict[str, Any]:
    return {
        "max_connections": design.database.max_connections,
        "shared_buffers": "64MB",
        "wal_level": "replica",
        "hot_standby": "on",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "max_slot_wal_keep_size": MAX_SLOT_WAL_KEEP_SIZE,
        "wal_keep_size": "256MB",
        "wal_log_hints": "on",
        "synchronous_commit": "local" if cloud else design.database.commit,
        "wal_receiver_status_interval": "1s",
        "wal_receiver_timeout": "10s",
        "wal_sender_timeout": "10s",
        "log_line_prefix": "%m [%p] ",
        **TCP_KEEPALIVE,
    }


class PatroniApi:
    """Reads one site's Patroni. Every call is bounded by ``timeout_s``."""

    def __init__(self, endpoint: Endpoint, timeout_s: float = 1.0) -> None:
        self._url = endpoint.url
        self._timeout_s = timeout_s

    def is_primary(self) -> bool:
        """Whether ``/primary`` answers 200.

        ``/leader`` would not do: the leader of a standby cluster answers that too.
        """
        return self._status("/primary") == httpx.codes.OK

    def is_standby_leader(self) -> bool:
        """Whether this is the leader of a standby cluster."""
        return self._status("/standby-leader") == httpx.codes.OK

    def answers(self) -> bool:
        """Whether anything answers at all."""
        return self._status("/liveness") is not None

    def members(self) -> dict[str, dict[str, Any]]:
        """Members of the cluster by name, or nothing when it does not answer.

        Ask only the node that :meth:`is_primary`: an isolated one answers with old news.
        """
        try:
            answer = plain_http.get(f"{self._url}/cluster", timeout=self._timeout_s)
            document = answer.json()
        except (httpx.HTTPError, ValueError):
            return {}
        return {member["name"]: member for member in document.get("members", [])}

    def _status(self, path: str) -> int | None:
        try:
            return plain_http.get(f"{self._url}{path}", timeout=self._timeout_s).status_code
        except httpx.HTTPError:
            return None
