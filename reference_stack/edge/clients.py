"""Where clients reach the system, in the order in which they try."""

from __future__ import annotations

from architecture.design import Design
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.edge.shared_address import shared_address
from reference_stack.edge.tls import certificate_authority, ingress_site

__all__ = ["certificate_authority", "client_urls"]


def client_urls(design: Design, addresses: AddressPlan) -> tuple[str, ...]:
    """URLs without a trailing slash: the hospital's edge first, then the emergency site's ingress.

    The edge is the balancers' shared address, and where there is none each balancer in order.
    """
    balancers = [addresses.endpoint(site, "balancer-api") for site in design.sites_with("balancer")]
    shared = shared_address(design, addresses)
    edge = balancers if shared is None else [Endpoint(shared, balancers[0].port)]
    emergency = ingress_site(design)
    if emergency is not None:
        edge = [*edge, addresses.endpoint(emergency, "balancer-api")]
    scheme = "https" if design.edge.tls else "http"
    return tuple(f"{scheme}://{endpoint}" for endpoint in edge)
