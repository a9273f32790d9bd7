"""The files and processes of a site's database: etcd, Patroni and PostgreSQL."""

from __future__ import annotations

import sys

import yaml

from reference_stack.database import etcd, patroni
from reference_stack.database.backup_render import archive_parameters, backup_settings
from reference_stack.database.dead_peers import libpq_environment
from reference_stack.database.keeper import KeeperSettings
from reference_stack.fallback.render import gated
from reference_stack.rendering import SiteContext, database_url, scratch_link
from reference_stack.site.description import ServiceSpec


def etcd_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's etcd member, and on the preferred site the keeper of etcd's leader."""
    database, site = context.design.database, context.site
    clusters = [(patroni.HOSPITAL_SCOPE, database.consensus)]
    if database.cloud_standby is not None:
        clusters.append((patroni.CLOUD_SCOPE, database.cloud_standby.consensus))
    services = []
    for token, consensus in clusters:
        if consensus is None or site not in consensus.voters:
            continue
        argv = etcd.command(
            context.programs.paths["etcd"],
            site,
            consensus=consensus,
            addresses=context.addresses,
            folder=context.folder,
            token=token,
        )
        services.append(context.service("etcd", argv))
        if consensus.preferred_leader == site:
            members = [
                f"{voter}={context.addresses.endpoint(voter, 'etcd').url}"
                for voter in consensus.voters
            ]
            keeper = [sys.executable, "-m", "reference_stack.database.etcd", "--keep-leader", site]
            services.append(context.service("etcd-leader-keeper", [*keeper, *members]))
    return services


def database_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's Patroni, which runs PostgreSQL, and the keeper beside them."""
    document = patroni.configuration(
        context.design, context.site, addresses=context.addresses,
        secrets={name: context.secret(name) for name in ("superuser", "replication", "rewind")},
        folder=context.folder, binaries=context.programs.postgresql,
        parameters=archive_parameters(context),
    )  # fmt: skip
    path = context.write("patroni.yml", yaml.safe_dump(document, sort_keys=False))
    environment = libpq_environment(context)
    standby = context.design.database.cloud_standby
    if standby and standby.site == context.site and not context.addresses.one_address_per_site:
        # The hospital's servers then differ in their ports, which Patroni's password file cannot
        # say; libpq reads this instead.
        environment["PGPASSWORD"] = context.secret("replication")
    return [
        context.service(
            "patroni", gated(context, [sys.executable, "-m", "patroni", path]), environment
        ),
        _keeper(context),
    ]


def _keeper(context: SiteContext) -> ServiceSpec:
    here = context.endpoint("database-keeper")
    lease = context.design.database.lease
    if lease is None:
        raise ValueError(f"design {context.design.name}: database.lease is missing")
    settings = KeeperSettings(
        host=here.host,
        port=here.port,
        database_url=database_url(
            [context.endpoint("database")], "postgres", context.secret("superuser"), "postgres"
        ),
        patroni_url=context.endpoint("patroni").url,
        loop_wait_s=lease.loop_wait_s,
        # Nobody waits for an answer any more then.
        longest_wait_s=context.design.api.request_timeout_s + 1.0,
        backup=backup_settings(context),
    )
    return context.python_service(
        "database-keeper", "reference_stack.database.keeper", settings.model_dump(mode="json"),
        # What a base backup killed with its site leaves must lie in the stack's directory.
        {"TMPDIR": str(scratch_link(context.addresses, context.site))},
    )  # fmt: skip
