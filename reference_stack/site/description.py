"""What a site runs, as the file its first process reads."""

from __future__ import annotations

from pydantic import Field

from architecture.values import Strict


class ServiceSpec(Strict):
    """One process of a site; it is started again when it ends by itself."""

    name: str
    argv: tuple[str, ...]
    working_directory: str
    log: str
    environment: dict[str, str] = Field(default_factory=dict)
    privileged: bool = Field(
        default=False, description="may change the site's own network, where it has one"
    )


class SiteSpec(Strict):
    """All processes of a site, in the order they are started."""

    site: str
    services: tuple[ServiceSpec, ...]
    postgres_data_directories: tuple[str, ...] = ()
