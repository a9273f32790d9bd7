"""Looking at the hospital from outside: nodes directly, and through the balancers' eyes."""

from __future__ import annotations

import csv
import io
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from reference_stack import plain_http
from reference_stack.addresses import Endpoint
from reference_stack.fallback.decision import View, node_view
from reference_stack.fallback.settings import ControllerSettings


def node_answers(settings: ControllerSettings, node: str, timeout_s: float) -> bool:
    """Whether Patroni or the API of a node answers anything at all."""
    urls = (
        f"{settings.endpoint(node, 'patroni').url}/liveness",
        f"{settings.endpoint(node, 'api').url}/health",
    )
    with ThreadPoolExecutor(len(urls)) as pool:
        return any(pool.map(lambda url: _answers(url, timeout_s), urls))


def balancer_view(settings: ControllerSettings, balancer: str, timeout_s: float) -> View | None:
    """What one balancer says of the nodes; None when it doesn't answer."""
    try:
        answer = plain_http.get(
            f"{settings.endpoint(balancer, 'balancer-stats').url}/;csv", timeout=timeout_s
        )
        answer.raise_for_status()
    except httpx.HTTPError:
        return None
    return node_view(server_rows(answer.text), settings.nodes)


def server_rows(statistics: str) -> Mapping[tuple[str, str], tuple[str, str]]:
    """(status, check_status) by (proxy, server) of HAProxy's CSV (its management guide, 9.1)."""
    rows = csv.DictReader(io.StringIO(statistics.removeprefix("# ")))
    return {
        (row["pxname"], row["svname"]): (row["status"], row["check_status"])
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND"}
    }


def edge_answers(settings: ControllerSettings, timeout_s: float = 1.0) -> bool:
    """Whether a balancer, or the etcd beside it, accepts a connection."""
    consensus = settings.design.database.consensus
    voters = consensus.voters if consensus is not None else ()
    balancers = settings.design.sites_with("balancer")
    endpoints = [settings.endpoint(site, "balancer-stats") for site in balancers]
    endpoints += [settings.endpoint(site, "etcd") for site in balancers if site in voters]
    return any(accepts(endpoint, timeout_s) for endpoint in endpoints)


def _answers(url: str, timeout_s: float) -> bool:
    try:
        plain_http.get(url, timeout=timeout_s)
    except httpx.HTTPError:
        return False
    return True


def accepts(endpoint: Endpoint, timeout_s: float) -> bool:
    """Whether something takes a TCP connection there."""
    try:
        socket.create_connection((endpoint.host, endpoint.port), timeout=timeout_s).close()
    except OSError:
        return False
    return True
