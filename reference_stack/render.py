"""A stack's files, rendered from its design: what each site runs and every configuration file.

The simulator reads the same design, so prediction and experiment can't drift apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from architecture.design import Design
from reference_stack import etcd, haproxy, patroni
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.secrets import read_secret
from reference_stack.site_file import ServiceSpec, SiteSpec

DATABASE_NAME = "prontuario"
DATABASE_USER = "prontuario"


@dataclass(frozen=True)
class Programs:
    """Paths of the programs and of the model that the stack runs."""

    etcd: Path
    haproxy: Path
    postgresql: Path  # the folder that holds postgres, initdb and the others
    model: Path


class Renderer:
    """Writes the files of every site of one stack."""

    def __init__(
        self, design: Design, addresses: AddressPlan, directory: Path, programs: Programs
    ) -> None:
        self._design = design
        self._addresses = addresses
        self._directory = directory
        self._programs = programs

    def write(self) -> None:
        """Write every site's folder: configuration, settings and ``site.json``."""
        for site in self._design.sites:
            folder = self._directory / site
            (folder / "log").mkdir(parents=True, exist_ok=True)
            services = tuple(self._services(site, folder))
            spec = SiteSpec(
                site=site,
                services=services,
                postgres_data_directories=(str(folder / "postgresql"),)
                if "database" in self._design.sites[site].services
                else (),
            )
            _private(folder / "site.json", spec.model_dump_json(indent=2))

    def _services(self, site: str, folder: Path) -> list[ServiceSpec]:
        makers = {
            "etcd": self._etcd,
            "database": self._database,
            "inference": self._inference,
            "api": self._api,
            "balancer": self._balancer,
        }
        wanted = self._design.sites[site].services
        return [
            spec
            for service, make in makers.items()
            if service in wanted
            for spec in make(site, folder)
        ]

    def _etcd(self, site: str, folder: Path) -> list[ServiceSpec]:
        database = self._design.database
        clusters = [(patroni.HOSPITAL_SCOPE, database.consensus)]
        if database.cloud_standby is not None:
            clusters.append((patroni.CLOUD_SCOPE, database.cloud_standby.consensus))
        specs = []
        for token, consensus in clusters:
            if consensus is None or site not in consensus.voters:
                continue
            argv = etcd.command(
                self._programs.etcd,
                site,
                consensus=consensus,
                addresses=self._addresses,
                folder=folder,
                token=token,
            )
            specs.append(self._spec("etcd", argv, folder))
            if consensus.preferred_leader == site:
                members = [
                    f"{voter}={self._addresses.endpoint(voter, 'etcd').url}"
                    for voter in consensus.voters
                ]
                keeper = [
                    sys.executable, "-m", "reference_stack.etcd", "--keep-leader", site, *members,
                ]  # fmt: skip
                specs.append(self._spec("etcd-leader-keeper", keeper, folder))
        return specs

    def _database(self, site: str, folder: Path) -> list[ServiceSpec]:
        document = patroni.configuration(
            self._design, site, addresses=self._addresses, secrets=self._database_secrets(),
            folder=folder, binaries=self._programs.postgresql,
        )  # fmt: skip
        path = _private(folder / "patroni.yml", yaml.safe_dump(document, sort_keys=False))
        argv = [sys.executable, "-m", "patroni", str(path)]
        environment = {}
        standby = self._design.database.cloud_standby
        if standby and standby.site == site and not self._addresses.one_address_per_site:
            # The hospital's servers then differ in their ports, which Patroni's password file
            # cannot say; libpq reads this instead.
            environment = {"PGPASSWORD": read_secret(self._directory, "replication")}
        return [self._spec("patroni", argv, folder, environment)]

    def _inference(self, site: str, folder: Path) -> list[ServiceSpec]:
        inference = self._design.inference
        here = self._addresses.endpoint(site, "inference")
        settings = {
            "host": here.host,
            "port": here.port,
            "site": site,
            "model_dir": str(self._programs.model),
            "model_name": inference.model,
            "max_batch": inference.max_batch,
            "max_queue": inference.max_queue,
            "queue_timeout_s": inference.queue_timeout_s,
            "max_prompt_tokens": inference.max_prompt_tokens,
            "max_answer_tokens": inference.max_answer_tokens,
        }
        return [self._python_service("inference", settings, folder)]

    def _api(self, site: str, folder: Path) -> list[ServiceSpec]:
        design = self._design
        here = self._addresses.endpoint(site, "api")
        emergency = design.emergency
        in_emergency = emergency is not None and emergency.site == site
        answer_tokens = design.inference.max_answer_tokens
        if in_emergency and emergency is not None:
            answer_tokens = emergency.chat_max_answer_tokens
        settings = {
            "host": here.host,
            "port": here.port,
            "site": site,
            "mode": "emergency" if in_emergency else "normal",
            "database_url": self._database_url(site if in_emergency else None),
            "database_pool_size": design.api.database_pool_size,
            "inference_url": self._addresses.endpoint(site, "inference").url,
            "token_secret": read_secret(self._directory, "token"),
            "token_lifetime_s": design.api.token_lifetime_s,
            "chat_max_answer_tokens": answer_tokens,
            "request_timeout_s": design.api.request_timeout_s,
        }
        return [self._python_service("api", settings, folder)]

    def _balancer(self, _site: str, folder: Path) -> list[ServiceSpec]:
        path = folder / "haproxy.cfg"
        path.write_text(haproxy.configuration(self._design, self._addresses), encoding="utf-8")
        argv = [str(self._programs.haproxy), "-db", "-f", str(path)]
        return [self._spec("haproxy", argv, folder)]

    def _database_url(self, site: str | None) -> str:
        return database_url(
            write_endpoint(self._design, self._addresses, site),
            DATABASE_USER,
            read_secret(self._directory, "application"),
        )

    def _database_secrets(self) -> dict[str, str]:
        return {
            name: read_secret(self._directory, name)
            for name in ("superuser", "replication", "rewind")
        }

    def _python_service(self, name: str, settings: Mapping[str, Any], folder: Path) -> ServiceSpec:
        path = _private(folder / f"{name}.json", json.dumps(settings, indent=2))
        argv = [sys.executable, "-m", f"reference_stack.{name}", "--settings", str(path)]
        return self._spec(name, argv, folder)

    def _spec(
        self, name: str, argv: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> ServiceSpec:
        home = {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return ServiceSpec(
            name=name,
            argv=tuple(argv),
            working_directory=str(folder),
            log=str(folder / "log" / f"{name}.log"),
            environment={**home, **(environment or {})},
        )


def write_endpoint(design: Design, addresses: AddressPlan, site: str | None) -> Endpoint:
    """Where to connect for PostgreSQL: a site's own server, or the write path through the edge."""
    if site is not None:
        return addresses.endpoint(site, "database")
    return addresses.endpoint(design.sites_with("balancer")[0], "balancer-database")


def database_url(
    endpoint: Endpoint, user: str, password: str, database: str = DATABASE_NAME
) -> str:
    """A libpq URL; the secrets are URL-safe by construction."""
    return f"postgresql://{user}:{password}@{endpoint.host}:{endpoint.port}/{database}"


def _private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
