"""The files and processes of a balancer's site."""

from __future__ import annotations

from reference_stack.edge import haproxy
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec


def balancer_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's HAProxy."""
    text = haproxy.configuration(context.design, context.addresses, context.site)
    path = context.write("haproxy.cfg", text)
    haproxy_program = context.programs.paths["haproxy"]
    return [context.service("haproxy", [haproxy_program, "-db", "-f", path])]
