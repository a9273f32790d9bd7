"""HAProxy: its configuration, rendered from the design, and the state it reports."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final, Literal

import httpx

from architecture.design import Design
from architecture.edge import HealthCheck
from reference_stack import plain_http
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.edge.shared_address import shared_address

#: What a balancer passes on; a planned move empties the servers of each.
Listener = Literal["api", "chat", "database"]
API: Final = "api"
CHAT: Final = "chat"
DATABASE: Final = "database"
#: A server that is UP at the balancer that holds the shared address, and DOWN at the others.
SHARED_ADDRESS: Final = "shared-address"
HOLDER: Final = "held-here"


def configuration(design: Design, addresses: AddressPlan, edge: str, certificate: Path) -> str:
    """HAProxy's configuration for the balancer on site ``edge``.

    Chats go to a site whose own inference answers; all other requests need only its API. They go
    to the first healthy hospital site in order (``active-standby``) or to all of them
    (``roundrobin``), and to the emergency site when none is left. Database connections go to the
    site whose Patroni answers ``/primary``: one of the hospital, or, in a design whose fallback
    controller may promote it, the cloud's. ``certificate`` (a PEM file with its key) is used when
    the design says ``edge.tls``.
    """
    sections = [
        *_foundation(design, addresses, edge),
        _api(design, addresses, edge, certificate),
        _chat(design, addresses),
        _database(design, addresses, edge),
    ]
    if (shared := shared_address(design, addresses)) is not None:
        sections.append(_holder(addresses, edge, shared))
    return "\n".join(sections)


def ingress_configuration(
    design: Design, addresses: AddressPlan, site: str, certificate: Path
) -> str:
    """HAProxy's configuration for the emergency site's own way in.

    Clients come here when the whole edge of the hospital is gone; it leads to this site's API.
    """
    lines = [
        *_api_listener(design, f"{addresses.endpoint(site, 'balancer-api')}", certificate),
        *_api_check(design, "/health"),
        f"    server {site} {addresses.endpoint(site, 'api')} check",
    ]
    return "\n".join([*_foundation(design, addresses, site), "\n".join(lines) + "\n"])


def _foundation(design: Design, addresses: AddressPlan, site: str) -> tuple[str, str]:
    return _defaults(design, addresses.endpoint(site, "balancer-admin")), _stats(addresses, site)


def _defaults(design: Design, admin: Endpoint) -> str:
    check = design.edge.api_check
    chat = design.workload.client.chat_timeout_s
    return f"""global
    maxconn 4000
    no strict-limits
    stats socket ipv4@{admin} level admin
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode tcp
    timeout connect {_ms(check.timeout_s)}
    timeout check {_ms(check.timeout_s)}
    timeout client {_ms(chat)}
    timeout server {_ms(chat)}
    timeout queue {_ms(design.workload.client.timeout_s)}
    timeout tunnel 1h
    retries 2
    option redispatch
"""


def _api(design: Design, addresses: AddressPlan, edge: str, certificate: Path) -> str:
    lines = [
        *_api_listener(design, _address(design, addresses, edge, "balancer-api"), certificate),
        # Metrics are for the hospital's own monitoring, which asks each site.
        "    http-request deny if { path /metrics }",
        f"    use_backend {CHAT} if {{ path /v1/chat }} || {{ path_beg /v1/audio/ }}",
        *_api_servers(design, addresses, "/health"),
    ]
    return "\n".join(lines) + "\n"


def _api_listener(design: Design, address: str, certificate: Path) -> list[str]:
    tls = f" ssl crt {certificate}" if design.edge.tls else ""
    return [
        f"listen {API}",
        "    mode http",
        f"    bind {address}{tls}",
        "    timeout http-request 10s",
        "    option forwardfor",
    ]


def _address(design: Design, addresses: AddressPlan, edge: str, service: str) -> str:
    """Where to bind: with a shared address on every address of the site's own network, so that
    the shared one is served from the moment it arrives."""
    endpoint = addresses.endpoint(edge, service)
    return str(endpoint) if shared_address(design, addresses) is None else f"*:{endpoint.port}"


def _chat(design: Design, addresses: AddressPlan) -> str:
    lines = [
        f"backend {CHAT}",
        "    mode http",
        *_api_servers(design, addresses, "/health/chat"),
    ]
    return "\n".join(lines) + "\n"


def _api_check(design: Design, health: str) -> list[str]:
    return [
        f"    option httpchk GET {health}",
        "    http-check expect status 200",
        "    option http-keep-alive",
        f"    default-server {_check(design.edge.api_check)}",
    ]


def _api_servers(design: Design, addresses: AddressPlan, health: str) -> list[str]:
    lines = _api_check(design, health)
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
        f"    bind {_address(design, addresses, edge, 'balancer-database')}",
        "    timeout client 1h",
        "    timeout server 1h",
        "    option httpchk",
        "    http-check send meth GET uri /primary",
        "    http-check expect status 200",
        f"    default-server {_check(design.edge.database_check)}",
    ]
    lines += [_database_server(addresses, site) for site in design.database.sites]
    cloud = design.database.cloud_standby
    if design.fallback is not None and cloud is not None:
        lines.append(f"{_database_server(addresses, cloud.site)} backup")
    return "\n".join(lines) + "\n"


def _database_server(addresses: AddressPlan, site: str) -> str:
    rest = addresses.endpoint(site, "patroni")
    server = addresses.endpoint(site, "database")
    return f"    server {site} {server} check addr {rest.host} port {rest.port}"


def _holder(addresses: AddressPlan, edge: str, shared: str) -> str:
    """Asks who is at the shared address: from the site that holds it, that is the site itself."""
    here = addresses.endpoint(edge, "balancer-plain")
    return f"""listen who
    mode http
    bind *:{here.port}
    http-request return status 200 if {{ path /{edge} }}
    http-request return status 404

backend {SHARED_ADDRESS}
    mode http
    timeout check 500ms
    option httpchk GET /{edge}
    http-check expect status 200
    server {HOLDER} {shared}:{here.port} check inter 500ms fall 1 rise 1
"""


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
        return read_states(stats, timeout_s)
    except httpx.HTTPError:
        return {}


def read_states(stats: Endpoint, timeout_s: float) -> dict[tuple[str, str], str]:
    """State ("UP", "DOWN", …) by (listener, site).

    Raises:
        httpx.HTTPError: when HAProxy does not answer.
    """
    answer = plain_http.get(f"{stats.url}/;csv", timeout=timeout_s)
    answer.raise_for_status()
    rows = csv.DictReader(io.StringIO(answer.text.removeprefix("# ")))
    return {
        (row["pxname"], row["svname"]): row["status"]
        for row in rows
        if row["svname"] not in {"FRONTEND", "BACKEND"}
    }
