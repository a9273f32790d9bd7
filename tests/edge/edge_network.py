"""The stack's edge as it is rendered and supervised, with small servers in place of the nodes."""

from __future__ import annotations

import contextlib
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from architecture import Design
from reference_stack import binaries
from reference_stack.addresses import PORTS, AddressPlan, Network, busy, plan, reserved_instance
from reference_stack.edge import health
from reference_stack.edge.clients import certificate_authority
from reference_stack.edge.render import balancer_services, ingress_services
from reference_stack.edge.tls import make_certificates
from reference_stack.rendering import Programs, SiteContext
from reference_stack.secrets import make_secrets
from reference_stack.site.backend import best_backend
from reference_stack.site.cgroup import SiteGroup, cgroup_root
from reference_stack.site.description import ServiceSpec, SiteSpec
from reference_stack.site.network import SiteNetwork, network_in_use
from reference_stack.site.process import SiteProcess

SERVER = Path(__file__).with_name("site_server.py")


class Edge:
    """Sites of one stack, but that nodes run ``site_server.py`` alone."""

    def __init__(
        self, design: Design, addresses: AddressPlan, directory: Path,
        sites: Mapping[str, SiteProcess], network: SiteNetwork | None,
    ) -> None:  # fmt: skip
        self.design = design
        self.addresses = addresses
        self.directory = directory
        self.sites = sites
        self.network = network

    def trusting_client(self) -> httpx.Client:
        """A client that trusts the stack's authority; it opens a connection a request."""
        authority = str(certificate_authority(self.directory))
        return httpx.Client(
            verify=ssl.create_default_context(cafile=authority),
            timeout=30, trust_env=False, headers={"Connection": "close"},
        )  # fmt: skip

    def be_primary(self, primary: str) -> None:
        """Make a site's Patroni say that it is the primary, and the others' that they are not."""
        for site in self.sites:
            (self.directory / site / "primary").unlink(missing_ok=True)
        (self.directory / primary / "primary").touch()

    def problems(self) -> list[str]:
        """What keeps the edge from being whole."""
        return health.problems(self.design, self.addresses)


@contextlib.contextmanager
def running_edge(design: Design, directory: Path, kind: Network | None = None) -> Iterator[Edge]:
    """Both balancers, the emergency site's ingress and a server on each node."""
    with _free_plan(design, kind) as addresses:
        make_secrets(directory)
        make_certificates(directory, design, addresses)
        network = SiteNetwork(addresses) if addresses.kind == "namespaces" else None
        root = cgroup_root() if network is not None else None
        groups = {s: SiteGroup(root, addresses.instance, s) for s in design.sites} if root else {}
        sites: dict[str, SiteProcess] = {}
        for site in design.sites:
            context = SiteContext(design, addresses, directory, _programs(), site)
            (context.folder / "log").mkdir(parents=True)
            spec = SiteSpec(site=site, services=tuple(_services(context)))
            path = context.write("site.json", spec.model_dump_json())
            sites[site] = SiteProcess(
                site, best_backend(), path, context.folder / "log" / "site.log",
                group=groups.get(site), network=network,
            )  # fmt: skip
        try:
            if network is not None:
                network.open()
            for process in sites.values():
                process.start()
            yield Edge(design, addresses, directory, sites, network)
        finally:
            for process in sites.values():
                process.kill()
            for group in groups.values():
                group.close()
            if network is not None:
                network.close()


def settled(edge: Edge) -> None:
    """Start what does not run, and wait until the edge is whole."""
    edge.be_primary("mac-1")
    for process in edge.sites.values():
        process.start()
    end = time.monotonic() + 120
    while problems := edge.problems():
        assert time.monotonic() < end, problems
        time.sleep(0.05)


def _programs() -> Programs:
    paths = {"haproxy": binaries.require("haproxy").path}
    if (keepalived := binaries.find("keepalived")) is not None:
        paths["keepalived"] = keepalived.path
    return Programs(paths=paths, postgresql=Path("/"), model=Path("/"))


def _services(context: SiteContext) -> list[ServiceSpec]:
    services = []
    if "api" in context.design.sites[context.site].services:
        ends = [str(context.endpoint(name)) for name in ("api", "patroni", "database")]
        services.append(context.service("server", [sys.executable, SERVER, context.site, *ends]))
        services += ingress_services(context)
    if "balancer" in context.design.sites[context.site].services:
        services += balancer_services(context)
    return services


@contextlib.contextmanager
def _free_plan(design: Design, kind: Network | None) -> Iterator[AddressPlan]:
    with contextlib.ExitStack() as stack:
        while True:
            # Numbers found busy stay reserved until one is free.
            addresses = plan(
                tuple(design.sites), stack.enter_context(reserved_instance(None)), kind
            )
            if addresses.kind == "namespaces":
                taken = network_in_use(addresses) is not None
            else:
                taken = bool(busy([addresses.endpoint(s, p) for s in design.sites for p in PORTS]))
            if not taken:
                break
        yield addresses
