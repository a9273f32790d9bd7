"""Where things stand: sites, what runs on them, and the links between them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from architecture.values import Name, Positive, Range, Strict

Service = Literal[
    "balancer", "etcd", "database", "cache", "documents", "api", "inference", "speech-to-text",
    "text-to-speech", "face-login", "image-analysis", "analytics", "search", "queue", "reports",
    "control-plane", "monitoring", "bucket", "fallback",
]  # fmt: skip

Role = Literal["active", "standby", "edge", "emergency", "worker", "control-plane", "cloud"]


class Autoscaling(Strict):
    """Bounds within which the cloud provider adds and removes nodes of a site."""

    min_nodes: int = Field(ge=0, le=1000)
    max_nodes: int = Field(ge=1, le=1000)


class Site(Strict):
    """What fails as one: a machine (or, in the cloud, a deployment) and the services on it."""

    title: str
    location: Literal["hospital", "cloud"]
    role: Role
    hardware: Name = Field(description="name in the hardware catalogue")
    count: int = Field(default=1, ge=1, le=100, description="machines of this kind")
    autoscaling: Autoscaling | None = None
    services: tuple[Service, ...] = Field(min_length=1)
    requirements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _count_within_autoscaling(self) -> Self:
        scaling = self.autoscaling
        if scaling is not None and not scaling.min_nodes <= self.count <= scaling.max_nodes:
            raise ValueError(
                "autoscaling: min_nodes ≤ count ≤ max_nodes is required, got "
                f"{scaling.min_nodes}, {self.count}, {scaling.max_nodes}"
            )
        return self


class Storage(Strict):
    """Disks that several sites use as one volume."""

    title: str
    sites: tuple[str, ...] = Field(min_length=1)
    devices: int = Field(ge=1, le=1000)
    device_bytes: int = Field(ge=1)
    copies: int | None = Field(
        default=None, ge=1, description="copies kept of each byte; null: the documents do not say"
    )
    requirements: tuple[str, ...] = ()


class Link(Strict):
    """A network between two places."""

    title: str
    between: tuple[str, str] = Field(description="site names, 'hospital', 'clients' or 'cloud'")
    bandwidth_bit_s: Positive
    round_trip_s: Range
    requirements: tuple[str, ...] = ()
