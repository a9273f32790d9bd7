"""A stack's files, rendered from its design: what each site runs and every configuration file.

The simulator reads the same design, so prediction and experiment can't drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from architecture.design import Design
from architecture.topology import Service
from reference_stack.addresses import AddressPlan
from reference_stack.api.render import api_services
from reference_stack.database.render import database_services, etcd_services
from reference_stack.edge.render import balancer_services
from reference_stack.inference.render import inference_services
from reference_stack.rendering import Programs, SiteContext
from reference_stack.site.description import ServiceSpec, SiteSpec

Maker = Callable[[SiteContext], Sequence[ServiceSpec]]

#: What the design's services are made of, in the order a site starts them.
MAKERS: Final[Mapping[Service, Maker]] = {
    "etcd": etcd_services,
    "database": database_services,
    "inference": inference_services,
    "api": api_services,
    "balancer": balancer_services,
}


def render(design: Design, addresses: AddressPlan, directory: Path, programs: Programs) -> None:
    """Write every site's folder: configuration, settings and ``site.json``."""
    for site in design.sites:
        context = SiteContext(design, addresses, directory, programs, site)
        (context.folder / "log").mkdir(parents=True, exist_ok=True)
        wanted = design.sites[site].services
        spec = SiteSpec(
            site=site,
            services=tuple(
                service
                for name, make in MAKERS.items()
                if name in wanted
                for service in make(context)
            ),
            postgres_data_directories=(str(context.folder / "postgresql"),)
            if "database" in wanted
            else (),
        )
        context.write("site.json", spec.model_dump_json(indent=2))
