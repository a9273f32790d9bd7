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
from reference_stack.bucket.render import bucket_services
from reference_stack.cache.render import cache_services
from reference_stack.database.failure_detector_render import failure_detector_services
from reference_stack.database.render import database_services, etcd_services
from reference_stack.documents.render import documents_services
from reference_stack.edge.render import balancer_services, ingress_services
from reference_stack.fallback.render import fallback_services
from reference_stack.inference.render import inference_services
from reference_stack.monitoring.exporters import (
    postgres_exporter_services,
    redis_exporter_services,
)
from reference_stack.monitoring.render import monitoring_services
from reference_stack.rendering import Programs, SiteContext
from reference_stack.site.description import ServiceSpec, SiteSpec

Maker = Callable[[SiteContext], Sequence[ServiceSpec]]

#: What the design's services are made of, in the order a site starts them.
MAKERS: Final[Mapping[Service, Maker]] = {
    "bucket": bucket_services,
    "etcd": etcd_services,
    "database": lambda context: [
        *database_services(context),
        *postgres_exporter_services(context),
    ],
    "documents": documents_services,
    "inference": inference_services,
    "api": lambda context: [*api_services(context), *ingress_services(context)],
    "balancer": balancer_services,
    "fallback": fallback_services,
    "monitoring": monitoring_services,
}

#: Parts that know by themselves which site they belong on.
PLACED_BY_THEMSELVES: Final[Sequence[Maker]] = (
    cache_services,
    failure_detector_services,
    redis_exporter_services,
)


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
                for make in (
                    *(make for name, make in MAKERS.items() if name in wanted),
                    *PLACED_BY_THEMSELVES,
                )
                for service in make(context)
            ),
            postgres_data_directories=(str(context.folder / "postgresql"),)
            if "database" in wanted
            else (),
        )
        context.write("site.json", spec.model_dump_json(indent=2))
