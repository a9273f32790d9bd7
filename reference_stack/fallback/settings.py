"""What the controller and the gates are told, each from a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from architecture.design import Design
from architecture.errors import InputError
from architecture.services import Fallback
from architecture.values import Strict
from reference_stack.addresses import AddressPlan, Endpoint, Network
from reference_stack.rendering import DATABASE_NAME

Settings = TypeVar("Settings", bound=Strict)


class PlanSettings(Strict):
    """The stack's address plan as data."""

    instance: int
    sites: tuple[str, ...]
    kind: Network

    @property
    def plan(self) -> AddressPlan:
        """The plan itself."""
        return AddressPlan(self.instance, self.sites, self.kind)


class ControllerSettings(Strict):
    """Settings of the fallback controller."""

    site: str
    design: Design
    addresses: PlanSettings
    folder: Path = Field(description="where the journal lies")
    directory: Path = Field(description="of the stack, for the power controller")
    data_directory: Path = Field(description="of the cloud's PostgreSQL")
    postgresql: Path = Field(description="folder of PostgreSQL's programs")
    superuser_password: str = Field(repr=False)
    token: str = Field(repr=False, description="for those who may give orders")

    @property
    def fallback(self) -> Fallback:
        """The design's rules of fallback."""
        if self.design.fallback is None:
            raise InputError("is missing", where="fallback")
        return self.design.fallback

    @property
    def nodes(self) -> tuple[str, ...]:
        """The hospital's nodes."""
        return self.design.database.sites

    @property
    def cloud(self) -> str:
        """The site whose database takes over."""
        standby = self.design.database.cloud_standby
        if standby is None:
            raise InputError("is missing", where="database.cloud_standby")
        return standby.site

    def endpoint(self, site: str, service: str) -> Endpoint:
        """Where a service listens."""
        return self.addresses.plan.endpoint(site, service)


class GateSettings(Strict):
    """Settings of the gate before a hospital node's Patroni."""

    site: str
    controller_url: str
    token: str = Field(repr=False)
    peers: dict[str, str] = Field(description="URL of Patroni by other node of the hospital")
    folder: Path = Field(description="the site's folder: overrides and marks lie here")
    data_directory: Path
    postgresql: Path = Field(description="folder of PostgreSQL's programs")
    database: str = DATABASE_NAME
    targets: tuple[tuple[str, int], ...] = Field(
        description="host and port of every server that may be the primary"
    )
    superuser_password: str = Field(repr=False)


def load_settings(model: type[Settings], path: Path) -> Settings:
    """Read and validate a settings file.

    Raises:
        InputError: one line that names the file, the keys and what they allow.
    """
    try:
        return model.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise InputError(reasons, where=str(path)) from None
