"""One look at Patroni, at a balancer or at etcd: what state is it in?

The standard library's HTTP client is used, because these looks are taken several times a second
beside a system under load, and a client that prepares TLS for each would be seen in the figures.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from reference_stack.addresses import Endpoint

TIMEOUT_S: Final = 0.5

#: The state of each thing asked about: (event, detail) by (source, thing).
Sight = dict[tuple[str, str], tuple[str, str]]
Look = Callable[[], Sight]


def patroni_look(site: str, endpoint: Endpoint) -> Look:
    """Looks at one site's Patroni."""
    source = f"patroni {site}"

    def look() -> Sight:
        try:
            status, text = _ask(endpoint, "GET", "/primary")
            return {(source, ""): patroni_state(status, json.loads(text))}
        except (OSError, HTTPException, ValueError) as error:
            return {(source, ""): ("silent", _reason(error))}

    return look


def balancer_look(site: str, endpoint: Endpoint) -> Look:
    """Looks at one HAProxy's view of its servers, and of who holds the shared address."""
    source = f"haproxy at {site}"

    def look() -> Sight:
        try:
            _, text = _ask(endpoint, "GET", "/;csv")
        except (OSError, HTTPException) as error:
            return {(source, ""): ("silent", _reason(error))}
        return {(source, ""): ("answers", ""), **balancer_states(site, text)}

    return look


def etcd_look(members: Sequence[Endpoint]) -> Look:
    """Asks the first etcd member that answers who its leader is."""
    names: dict[str, str] = {}

    def look() -> Sight:
        for endpoint in members:
            try:
                if not names:
                    _, text = _ask(endpoint, "POST", "/v3/cluster/member/list")
                    for member in json.loads(text).get("members", []):
                        names[member["ID"]] = member.get("name", "")
                _, text = _ask(endpoint, "POST", "/v3/maintenance/status")
                leader = json.loads(text).get("leader", "0")
            except (OSError, HTTPException, ValueError):
                continue
            event = f"leader {names.get(leader, leader)}" if leader != "0" else "no leader"
            return {("etcd", ""): (event, "")}
        return {("etcd", ""): ("silent", "")}

    return look


def patroni_state(status: int, document: dict[str, Any]) -> tuple[str, str]:
    """Role and detail from Patroni's answer to ``/primary``.

    200 is given by the holder of the leader lock alone. The document's own ``role`` is PostgreSQL's
    word: after a demotion it lags behind, so a role ``primary`` with 503 is called ``not primary``.
    """
    role = str(document.get("role", "unknown"))
    if status == 200:  # noqa: PLR2004
        role = "primary"
    elif role in {"primary", "master"}:
        role = "not primary"
    details = [str(document.get("state", ""))]
    if "timeline" in document:
        details.append(f"timeline {document['timeline']}")
    details += [
        f"{peer.get('application_name')} {peer.get('state')} {peer.get('sync_state')}"
        for peer in document.get("replication", [])
    ]
    return role, ", ".join(detail for detail in details if detail)


def balancer_states(site: str, text: str) -> Sight:
    """State of every server in the CSV of a site's HAProxy, with the result of its last check."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return {
        (f"haproxy {row['pxname']} at {site}", row["svname"]): (
            f"{row['svname']} {row['status']}",
            # An asterisk says that a check is in progress, which is no news.
            (row.get("check_status") or "").removeprefix("* "),
        )
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND"}
    }


def _ask(endpoint: Endpoint, method: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body="{}" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    return str(error) or type(error).__name__
