"""What a part of the stack needs to write its files for one site and to name its processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from architecture.design import Design
from reference_stack.addresses import AddressPlan, Endpoint, runtime_folder
from reference_stack.edge.shared_address import shared_address
from reference_stack.secrets import read_secret
from reference_stack.site.description import ServiceSpec

DATABASE_NAME = "prontuario"
DATABASE_USER = "prontuario"


@dataclass(frozen=True)
class Programs:
    """Where the programs and the model lie that the stack runs.

    ``paths`` holds executables by the names of :mod:`reference_stack.binaries`; those that a
    design can do without are missing when this machine lacks them. ``companions`` holds the folders
    of the models beside the language model, by their names.
    """

    paths: Mapping[str, Path]
    postgresql: Path  # the folder that holds postgres, initdb and the others
    model: Path
    companions: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class SiteContext:
    """One site of one stack while its files are written."""

    design: Design
    addresses: AddressPlan
    directory: Path
    programs: Programs
    site: str

    @property
    def folder(self) -> Path:
        """The site's own folder."""
        return self.directory / self.site

    def endpoint(self, service: str) -> Endpoint:
        """Where a service of this site listens."""
        return self.addresses.endpoint(self.site, service)

    def secret(self, name: str) -> str:
        """A secret of this stack."""
        return read_secret(self.directory, name)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the site that only its owner may read."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def service(
        self, name: str, argv: Sequence[str | Path],
        environment: Mapping[str, str] | None = None, *, privileged: bool = False,
    ) -> ServiceSpec:  # fmt: skip
        """A process of the site, with its log in the site's folder."""
        home = {"HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return ServiceSpec(
            name=name,
            argv=tuple(str(word) for word in argv),
            working_directory=str(self.folder),
            log=str(self.folder / "log" / f"{name}.log"),
            environment={**home, **(environment or {})},
            privileged=privileged,
        )

    def python_service(
        self, name: str, module: str, settings: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
    ) -> ServiceSpec:  # fmt: skip
        """A process ``python -m MODULE --settings FILE``, its settings written as JSON."""
        path = self.write(f"{name}.json", json.dumps(settings, indent=2))
        return self.service(name, [sys.executable, "-m", module, "--settings", path], environment)


def scratch_link(addresses: AddressPlan, site: str) -> Path:
    """The way to a site's folder for temporary files, short enough for sockets in it."""
    return runtime_folder() / f"{addresses.instance}-{addresses.sites.index(site)}"


def link_scratch(addresses: AddressPlan, directory: Path) -> None:
    """Let every site's :func:`scratch_link` lead to a folder in the stack's directory.

    Only who holds the stack's instance number may.
    """
    for site in addresses.sites:
        folder = directory / site / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        link = scratch_link(addresses, site)
        link.unlink(missing_ok=True)
        link.symlink_to(folder, target_is_directory=True)


def write_endpoints(
    design: Design, addresses: AddressPlan, site: str | None = None
) -> tuple[Endpoint, ...]:
    """Where to connect for PostgreSQL, in the order to try them.

    A site's own server; or, for None, the write path through the edge: the balancers' shared
    address, and where there is none each balancer.
    """
    if site is not None:
        return (addresses.endpoint(site, "database"),)
    balancers = [
        addresses.endpoint(balancer, "balancer-database")
        for balancer in design.sites_with("balancer")
    ]
    shared = shared_address(design, addresses)
    return (Endpoint(shared, balancers[0].port),) if shared is not None else tuple(balancers)


def database_url(
    endpoints: Sequence[Endpoint], user: str, password: str, database: str = DATABASE_NAME
) -> str:
    """A libpq URL, which tries the endpoints in order; the secrets are URL-safe by construction."""
    hosts = ",".join(str(endpoint) for endpoint in endpoints)
    return f"postgresql://{user}:{password}@{hosts}/{database}"
