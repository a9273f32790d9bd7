"""What keeps the edge from being whole."""

from __future__ import annotations

import httpx

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.edge import haproxy
from reference_stack.edge.shared_address import shared_address
from reference_stack.edge.tls import ingress_site
from reference_stack.silence import silent

TIMEOUT_S = 2.0


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """In words: a silent balancer, a server one does not see, an address nobody or two hold."""
    states: dict[str, dict[tuple[str, str], str]] = {}
    found: list[str] = []
    for site in design.sites_with("balancer"):
        try:
            states[site] = _states(addresses, site)
        except httpx.HTTPError as error:
            found.append(silent(f"{site}: the balancer", error, TIMEOUT_S))
        else:
            found += _balancer_problems(design, site, states[site])
    if shared_address(design, addresses) is not None and states:
        found += _holder_problems(states)
    return found + _ingress_problems(design, addresses)


def _ingress_problems(design: Design, addresses: AddressPlan) -> list[str]:
    emergency = ingress_site(design)
    if emergency is None:
        return []
    try:
        ingress = _states(addresses, emergency)
    except httpx.HTTPError as error:
        return [silent(f"{emergency}: the way in for clients", error, TIMEOUT_S)]
    if ingress.get((haproxy.API, emergency), "").startswith("UP"):
        return []
    return [f"{emergency}: the way in for clients does not see its API"]


def _states(addresses: AddressPlan, site: str) -> dict[tuple[str, str], str]:
    return haproxy.read_states(addresses.endpoint(site, "balancer-stats"), TIMEOUT_S)


def holders(design: Design, addresses: AddressPlan) -> list[str]:
    """Balancers that say that the shared address is theirs now; one, when all is well."""
    return [
        site
        for site in design.sites_with("balancer")
        if _holds(haproxy.server_states(addresses.endpoint(site, "balancer-stats")))
    ]


def _balancer_problems(design: Design, site: str, states: dict[tuple[str, str], str]) -> list[str]:
    wanted = {
        *((haproxy.API, server) for server in design.sites_with("api")),
        *((haproxy.CHAT, server) for server in design.sites_with("inference")),
    }
    down = [
        f"{site}: the balancer sees the {listener} of {server} as {state}"
        for (listener, server), state in states.items()
        if (listener, server) in wanted and not state.startswith("UP")
    ]
    hospital = {(haproxy.DATABASE, server) for server in design.database.sites}
    writable = any(states.get(server, "").startswith("UP") for server in hospital)
    return down if writable else [*down, f"{site}: the balancer sees no primary database"]


def _holder_problems(states: dict[str, dict[tuple[str, str], str]]) -> list[str]:
    holding = [site for site, seen in states.items() if _holds(seen)]
    if len(holding) == 1:
        return []
    return [f"the shared address is held by {' and '.join(holding) or 'no balancer'}"]


def _holds(states: dict[tuple[str, str], str]) -> bool:
    return states.get((haproxy.SHARED_ADDRESS, haproxy.HOLDER), "").startswith("UP")
