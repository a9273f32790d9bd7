"""HAProxy: its configuration, rendered from the design, and the state it reports."""

from __future__ import annotations

import csv
import io

import httpx

from architecture.design import Design
from architecture.edge import HealthCheck
from reference_stack.addresses import AddressPlan, Endpoint

API = "api"
CHAT = "chat"
DATABASE = "database"


def configuration(design: Design, addresses: AddressPlan, edge: str) -> str:
    """HAProxy's configuration for the balancer on site ``edge``.

    Chats go to a site whose own inference answers; all other requests need only its API. They go
    to the first healthy hospital site in order (``active-standby``) or to all of them
    (``roundrobin``), and to the emergency site when none is left. Database connections go to the
    site whose Patroni answers ``/primary``.
    """
    sections = [
        _defaults(design),
        _api(design, addresses, edge),
        _chat(design, addresses),
        _database(design, addresses, edge),
        _stats(addresses, edge),
    ]
    return "\n".join(sections)


def _defaults(design: Design) -> str:
    check = design.edge.api_check
    chat = design.workload.client.chat_timeout_s
    return f"""global
    maxconn 4000

defaults
    mode tcp
    timeout connect {_ms(check.timeout_s)}
    timeout check {_ms(check.timeout_s)}
    timeout client {_ms(chat)}
    timeout server {_ms(chat)}
    timeout queue {_ms(design.workload.client.timeout_s)}
    retries 2
    option redispatch
"""


def _api(design: Design, addresses: AddressPlan, edge: str) -> str:
    lines = [
        f"listen {API}",
        "    mode http",
        f"    bind {addresses.endpoint(edge, 'balancer-api')}",
        "    timeout http-request 10s",
        f"    use_backend {CHAT} if {{ path /v1/chat }}",
        *_api_servers(design, addresses, "/health"),
    ]
    return "\n".join(lines) + "\n"


def _chat(design: Design, addresses: AddressPlan) -> str:
    lines = [
        f"backend {CHAT}",
        "    mode http",
        *_api_servers(design, addresses, "/health/chat"),
    ]
    return "\n".join(lines) + "\n"


def _api_servers(design: Design, addresses: AddressPlan, health: str) -> list[str]:
    lines = [
        f"    option httpchk GET {health}",
        "    http-check expect status 200",
        "    option http-keep-alive",
        f"    default-server {_check(design.edge.api_check)}",
    ]
    standby = design.edge.routing == "active-standby"
    sites = list(design.sites_with("api"))
    emergency = design.emergency.site if design.emergency is not None else None
    hospital = [site for site in sites if site != emergency]
    for position, site in enumerate(hospital):
        backup = " backup" if standby and position > 0 else ""
        lines.append(f"    server {site} {addresses.endpoint(site, 'api')} check{backup}")
    if emergency in sites and emergency is not None:
        lines.append(f"    server {emergency} {addresses.endpoint(emergency, 'api')} check backup")
    return lines


def _database(design: Design, addresses: AddressPlan, edge: str) -> str:
    lines = [
        f"listen {DATABASE}",
        f"    bind {addresses.endpoint(edge, 'balancer-database')}",
        "    timeout client 1h",
        "    timeout server 1h",
        "    option httpchk",
        "    http-check send meth GET uri /primary",
        "    http-check expect status 200",
        f"    default-server {_check(design.edge.database_check)}",
    ]
    for site in design.database.sites:
        rest = addresses.endpoint(site, "patroni")
        server = addresses.endpoint(site, "database")
        lines.append(f"    server {site} {server} check addr {rest.host} port {rest.port}")
    return "\n".join(lines) + "\n"


def _stats(addresses: AddressPlan, edge: str) -> str:
    return f"""listen stats
    mode http
    bind {addresses.endpoint(edge, "balancer-stats")}
    stats enable
    stats uri /
    http-request use-service prometheus-exporter if {{ path /metrics }}
"""


def _check(check: HealthCheck) -> str:
    words = [
        f"inter {_ms(check.interval_s)}",
        f"fall {check.fall}",
        f"rise {check.rise}",
    ]
    if check.fast_interval_s is not None:
        words.append(f"fastinter {_ms(check.fast_interval_s)}")
    if check.down_interval_s is not None:
        words.append(f"downinter {_ms(check.down_interval_s)}")
    if check.close_sessions_when_down:
        words.append("on-marked-down shutdown-sessions")
    return " ".join(words)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


def server_states(stats: Endpoint, timeout_s: float = 1.0) -> dict[tuple[str, str], str]:
    """State ("UP", "DOWN", …) by (listener, site); empty when HAProxy does not answer."""
    try:
        answer = httpx.get(f"{stats.url}/;csv", timeout=timeout_s)
        answer.raise_for_status()
    except httpx.HTTPError:
        return {}
    rows = csv.DictReader(io.StringIO(answer.text.removeprefix("# ")))
    return {
        (row["pxname"], row["svname"]): row["status"]
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND"}
    }
