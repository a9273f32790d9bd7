"""The files and processes of a balancer's site, and of the emergency site's ingress."""

from __future__ import annotations

from reference_stack.edge import haproxy, keepalived
from reference_stack.edge.shared_address import shared_address
from reference_stack.edge.tls import ingress_site, server_certificate
from reference_stack.edge.watch import BAD
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec


def balancer_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's HAProxy, and its keepalived where the balancers share an address."""
    design, addresses, site = context.design, context.addresses, context.site
    certificate = server_certificate(context.directory, site)
    services = [_haproxy(context, haproxy.configuration(design, addresses, site, certificate))]
    shared = shared_address(design, addresses)
    if shared is not None and (program := context.programs.paths.get("keepalived")) is not None:
        watch_file = context.write("balancer-answers", BAD)  # until the watch says otherwise
        watch = keepalived.watch_settings(addresses, site, watch_file).model_dump(mode="json")
        text = keepalived.configuration(design, addresses, site, shared, watch_file)
        argv = keepalived.command(program, context.write("keepalived.conf", text), context.folder)
        services += [
            context.python_service("balancer-watch", "reference_stack.edge.watch", watch),
            context.service("keepalived", argv, privileged=True),
        ]
    return services


def ingress_services(context: SiteContext) -> list[ServiceSpec]:
    """The emergency site's own way in, when this is that site."""
    design, site = context.design, context.site
    if site != ingress_site(design):
        return []
    certificate = server_certificate(context.directory, site)
    text = haproxy.ingress_configuration(design, context.addresses, site, certificate)
    return [_haproxy(context, text)]


def _haproxy(context: SiteContext, text: str) -> ServiceSpec:
    path = context.write("haproxy.cfg", text)
    return context.service("haproxy", [context.programs.paths["haproxy"], "-db", "-f", path])
