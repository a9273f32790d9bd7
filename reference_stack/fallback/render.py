"""The controller's files and process, and the gate before each hospital node's Patroni."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reference_stack.fallback.settings import ControllerSettings, GateSettings, PlanSettings
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec


def fallback_services(context: SiteContext) -> list[ServiceSpec]:
    """The controller, on the site that the design names."""
    design, plan = context.design, context.addresses
    standby = design.database.cloud_standby
    if design.fallback is None or standby is None or design.fallback.site != context.site:
        return []
    settings = ControllerSettings(
        site=context.site,
        design=design,
        addresses=PlanSettings(instance=plan.instance, sites=plan.sites, kind=plan.kind),
        folder=context.folder / "fallback",
        directory=context.directory,
        data_directory=context.directory / standby.site / "postgresql",
        postgresql=context.programs.postgresql,
        superuser_password=context.secret("superuser"),
        token=context.secret("fallback"),
    )
    path = context.write("fallback.json", settings.model_dump_json(indent=2))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "reference_stack.fallback",
        "--settings",
        path,
    ]
    return [context.service("fallback", command)]


def gated(context: SiteContext, argv: Sequence[str | Path]) -> list[str | Path]:
    """The command of a hospital node's Patroni, behind its gate; others as they are."""
    design = context.design
    standby = design.database.cloud_standby
    nodes = design.database.sites
    if design.fallback is None or standby is None or context.site not in nodes:
        return list(argv)
    servers = [context.addresses.endpoint(site, "database") for site in (standby.site, *nodes)]
    settings = GateSettings(
        site=context.site,
        controller_url=context.addresses.endpoint(design.fallback.site, "fallback").url,
        token=context.secret("fallback"),
        peers={
            node: context.addresses.endpoint(node, "patroni").url
            for node in nodes
            if node != context.site
        },
        folder=context.folder,
        data_directory=context.folder / "postgresql",
        postgresql=context.programs.postgresql,
        targets=tuple((server.host, server.port) for server in servers),
        superuser_password=context.secret("superuser"),
    )
    path = context.write("gate.json", settings.model_dump_json(indent=2))
    gate: list[str | Path] = [
        sys.executable,
        "-m",
        "reference_stack.fallback.gate",
        "--settings",
        path,
        "--",
    ]
    return [*gate, *argv]
