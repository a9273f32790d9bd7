"""etcd: its command line, rendered from the design, and where its own leader is kept.

etcd renews every lease when its leader changes, so a node that dies with the etcd leader on it
makes failover slower by a whole lease. :func:`keep_leader` keeps it on the design's preferred site.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import httpx

from architecture.replication import Consensus
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan

log = logging.getLogger("consensus")


def command(
    binary: Path,
    site: str,
    *,
    consensus: Consensus,
    addresses: AddressPlan,
    folder: Path,
    token: str,
) -> list[str]:
    """The command that runs one member."""
    client = addresses.endpoint(site, "etcd").url
    peer = addresses.endpoint(site, "etcd-peer").url
    cluster = ",".join(
        f"{voter}={addresses.endpoint(voter, 'etcd-peer').url}" for voter in consensus.voters
    )
    return [
        str(binary), "--name", site, "--data-dir", str(folder / "etcd"),
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--initial-cluster", cluster, "--initial-cluster-state", "new",
        "--initial-cluster-token", token,
        "--heartbeat-interval", f"{consensus.heartbeat_s * 1000:.0f}",
        "--election-timeout", f"{consensus.election_timeout_s * 1000:.0f}",
        "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h",
        "--logger", "zap", "--log-level", "warn",
    ]  # fmt: skip


class EtcdApi:
    """The few calls the testbed makes, through etcd's own JSON gateway."""

    def __init__(self, urls: dict[str, str], timeout_s: float = 1.0) -> None:
        """``urls``: client URL by site."""
        self._urls = urls
        self._timeout_s = timeout_s

    def leader(self) -> str | None:
        """Site that holds etcd's leader; None when no member knows one."""
        for url in self._urls.values():
            status = self._post(url, "/v3/maintenance/status")
            members = self._post(url, "/v3/cluster/member/list")
            if status is None or members is None:
                continue
            for member in members.get("members", []):
                if member["ID"] == status.get("leader"):
                    return str(member["name"])
        return None

    def move_leader(self, site: str) -> bool:
        """Ask the present leader to hand over to ``site``; True when it agreed."""
        leader = self.leader()
        if leader is None or leader not in self._urls:
            return False
        members = self._post(self._urls[leader], "/v3/cluster/member/list") or {}
        for member in members.get("members", []):
            if member.get("name") == site:
                body = {"targetID": member["ID"]}
                answer = self._post(self._urls[leader], "/v3/maintenance/transfer-leadership", body)
                return answer is not None
        return False

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The first answer of any member, in the order of the URLs; None when none answers."""
        for url in self._urls.values():
            answer = self._post(url, path, body)
            if answer is not None:
                return answer
        return None

    def healthy(self, site: str) -> bool:
        """Whether the site's member answers and knows a leader."""
        status = self._post(self._urls[site], "/v3/maintenance/status")
        return status is not None and status.get("leader", "0") != "0"

    def _post(
        self, url: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        try:
            answer = plain_http.post(f"{url}{path}", json=body or {}, timeout=self._timeout_s)
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return document if answer.status_code == httpx.codes.OK else None


def keep_leader(api: EtcdApi, site: str, every_s: float) -> None:
    """Move etcd's leader back to ``site`` whenever it is elsewhere; runs until it is ended."""
    while True:
        leader = api.leader()
        if leader not in {None, site} and api.healthy(site):
            moved = api.move_leader(site)
            log.warning("leader is on %s, moved to %s: %s", leader, site, moved)
        time.sleep(every_s)


def main() -> None:
    """Entry point: ``python -m reference_stack.database.etcd --keep-leader SITE SITE=URL …``."""
    parser = argparse.ArgumentParser(prog="reference_stack.database.etcd")
    parser.add_argument("--keep-leader", required=True)
    parser.add_argument("--every-s", type=float, default=2.0)
    parser.add_argument("members", nargs="+", help="SITE=URL of each member")
    arguments = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    urls = dict(member.split("=", 1) for member in arguments.members)
    keep_leader(EtcdApi(urls), arguments.keep_leader, arguments.every_s)


if __name__ == "__main__":
    main()
