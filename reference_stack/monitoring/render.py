"""The files and processes of the monitoring site."""

from __future__ import annotations

import logging
from pathlib import Path

import yaml

from reference_stack.edge.clients import certificate_authority, client_urls
from reference_stack.monitoring import alertmanager, console, prometheus
from reference_stack.monitoring.database import PROBE_USERNAME, ROLE, probe_password
from reference_stack.monitoring.pace import PROBE_EVERY_S, pace
from reference_stack.monitoring.rules import rule_files
from reference_stack.monitoring.targets import jobs
from reference_stack.rendering import SiteContext, database_url, write_endpoints
from reference_stack.site.description import ServiceSpec

log = logging.getLogger(__name__)


def monitoring_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's probe, alert sink, Alertmanager and Prometheus.

    A program this machine lacks is left out with a warning; the others run without it.
    """
    services = [_probe(context)]
    paths = context.programs.paths
    if "alertmanager" in paths:
        services += [_sink(context), _alertmanager(context, paths["alertmanager"])]
    else:
        log.warning("no Alertmanager on this machine: alerts are seen in Prometheus only")
    if "prometheus" in paths:
        services.append(_prometheus(context, paths["prometheus"]))
    else:
        log.warning("no Prometheus on this machine: the stack runs without monitoring")
    return services


def _probe(context: SiteContext) -> ServiceSpec:
    design, addresses = context.design, context.addresses
    here, secret = context.endpoint("stack-exporter"), context.secret("monitoring")
    # As long as the API itself tries, then the write has failed for its client too.
    timeout_s = design.api.request_timeout_s
    write_path = database_url(write_endpoints(design, addresses), ROLE, secret)
    settings = {
        "host": here.host,
        "port": here.port,
        "client_urls": client_urls(design, addresses),
        "authority": str(certificate_authority(context.directory)) if design.edge.tls else None,
        "username": PROBE_USERNAME,
        "password": probe_password(secret),
        "database_url": f"{write_path}?connect_timeout={max(2, round(timeout_s))}",
        "every_s": PROBE_EVERY_S,
        "timeout_s": timeout_s,
        "disk": str(context.folder),
    }
    return context.python_service("stack-exporter", "reference_stack.monitoring.probe", settings)


def _sink(context: SiteContext) -> ServiceSpec:
    here = context.endpoint("alert-sink")
    settings = {"host": here.host, "port": here.port, "file": str(context.folder / "alerts.jsonl")}
    return context.python_service("alert-sink", "reference_stack.monitoring.sink", settings)


def _alertmanager(context: SiteContext, program: Path) -> ServiceSpec:
    document = alertmanager.configuration(pace(context.design), context.endpoint("alert-sink"))
    config = context.write("alertmanager.yml", _yaml(document))
    argv = alertmanager.command(
        program,
        config,
        listen=context.endpoint("alertmanager"),
        data=context.folder / "alertmanager",
    )
    return context.service("alertmanager", argv)


def _prometheus(context: SiteContext, program: Path) -> ServiceSpec:
    design = context.design
    rules = [
        context.write(f"rules/{name}", _yaml(document))
        for name, document in rule_files(design).items()
    ]
    page = context.write(f"consoles/{console.PAGE}", console.failover_page(design))
    found = jobs(design, context.addresses, context.programs.paths)
    receiver = (
        context.endpoint("alertmanager") if "alertmanager" in context.programs.paths else None
    )
    document = prometheus.configuration(design, found, rules, receiver)
    argv = prometheus.command(
        program,
        context.write("prometheus.yml", _yaml(document)),
        listen=context.endpoint("prometheus"),
        data=context.folder / "prometheus",
        consoles=page.parent,
    )
    return context.service("prometheus", argv)


def _yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=100)
