"""The settings and process of the agent that ends a dead primary's lease."""

from __future__ import annotations

from functools import partial

from reference_stack.database import patroni
from reference_stack.database.dead_peers import libpq_environment
from reference_stack.database.failure_detector import Settings, target
from reference_stack.rendering import DATABASE_NAME, SiteContext, database_url
from reference_stack.site.description import ServiceSpec


def failure_detector_services(context: SiteContext) -> list[ServiceSpec]:
    """The agent, on the site that the design gives it; nothing on the others."""
    design, addresses = context.design, context.addresses
    detector, consensus = design.database.failure_detector, design.database.consensus
    if detector is None or consensus is None or detector.site != context.site:
        return []
    here = context.endpoint("failure-detector")
    # Its own site's member first: that one answers when others are lost.
    voters = sorted(consensus.voters, key=lambda voter: voter != context.site)
    secret = context.secret("superuser")
    settings = Settings(
        host=here.host,
        port=here.port,
        check=detector.check,
        targets={
            site: target(
                partial(addresses.endpoint, site),
                database_url(
                    [addresses.endpoint(site, "database")], "postgres", secret, DATABASE_NAME
                ),
                has_api="api" in design.sites[site].services,
            )
            for site in design.database.sites
        },
        etcd={voter: addresses.endpoint(voter, "etcd").url for voter in voters},
        leader_key=f"/prontuario/{patroni.HOSPITAL_SCOPE}/leader",
        stack_directory=str(context.directory),
    )
    return [
        context.python_service(
            "failure-detector",
            "reference_stack.database.failure_detector",
            settings.model_dump(mode="json"),
            libpq_environment(context),
        )
    ]
