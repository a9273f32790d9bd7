"""What keeps the edge from being whole."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.addresses import AddressPlan
from reference_stack.edge import haproxy
from reference_stack.edge.shared_address import shared_address
from reference_stack.edge.tls import ingress_site


def problems(design: Design, addresses: AddressPlan) -> list[str]:
    """In words: a silent balancer, a server one does not see, an address nobody or two hold."""
    balancers = design.sites_with("balancer")
    states = {
        site: haproxy.server_states(addresses.endpoint(site, "balancer-stats"))
        for site in balancers
    }
    found = [
        problem for site in balancers for problem in _balancer_problems(design, site, states[site])
    ]
    if shared_address(design, addresses) is not None:
        found += _holder_problems(states)
    emergency = ingress_site(design)
    if emergency is not None:
        ingress = haproxy.server_states(addresses.endpoint(emergency, "balancer-stats"))
        if not ingress.get((haproxy.API, emergency), "").startswith("UP"):
            found.append(f"{emergency}: the way in for clients does not see its API")
    return found


def holders(design: Design, addresses: AddressPlan) -> list[str]:
    """Balancers that say that the shared address is theirs now; one, when all is well."""
    return [
        site
        for site in design.sites_with("balancer")
        if _holds(haproxy.server_states(addresses.endpoint(site, "balancer-stats")))
    ]


def _balancer_problems(design: Design, site: str, states: dict[tuple[str, str], str]) -> list[str]:
    if not states:
        return [f"{site}: the balancer does not answer"]
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
