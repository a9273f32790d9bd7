"""The balancer: routing and health checks, in HAProxy's own terms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from architecture.values import Positive, Strict


class HealthCheck(Strict):
    """Active checks of one backend.

    A server goes down after ``fall`` failures and up after ``rise`` successes. The next check is
    scheduled from the end of the last one (HAProxy 2.x configuration manual, "inter", "fastinter",
    "downinter").
    """

    interval_s: Positive = Field(description="HAProxy inter, when the state is settled")
    timeout_s: Positive = Field(description="HAProxy timeout check and timeout connect")
    fall: int = Field(ge=1, le=100)
    rise: int = Field(ge=1, le=100)
    fast_interval_s: Positive | None = Field(
        default=None, description="HAProxy fastinter, while the state is in transition"
    )
    down_interval_s: Positive | None = Field(
        default=None, description="HAProxy downinter, while the server is down"
    )
    close_sessions_when_down: bool = Field(
        default=True, description="HAProxy on-marked-down shutdown-sessions"
    )

    @property
    def transition_interval_s(self) -> float:
        """Seconds between checks once a state change has begun."""
        return self.fast_interval_s if self.fast_interval_s is not None else self.interval_s

    @property
    def settled_down_interval_s(self) -> float:
        """Seconds between checks of a server that is down."""
        return self.down_interval_s if self.down_interval_s is not None else self.interval_s


class SharedAddress(Strict):
    """A virtual address that the balancers share by VRRP: one holds it, the others take over.

    A backup takes over after 3 · advertisement + (256 − priority) / 256 · advertisement seconds of
    silence (RFC 5798, 6.1, "Master_Down_Interval").
    """

    advertisement_s: Positive = 1.0


class Edge(Strict):
    """The balancers in front of everything: one on each site that runs the service ``balancer``."""

    shared_address: SharedAddress | None = Field(
        default=None, description="VRRP between the balancers; null: clients know only the first"
    )
    tls: bool = Field(default=False, description="whether clients speak HTTPS to the edge")
    routing: Literal["active-standby", "roundrobin"] = Field(
        description="active-standby: the API of the first healthy site in order takes all requests"
    )
    api_check: HealthCheck
    database_check: HealthCheck
    requirements: tuple[str, ...] = ()
