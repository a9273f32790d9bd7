"""Data that must survive: PostgreSQL with its lease and quorum, Redis, documents, models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from architecture.edge import HealthCheck
from architecture.values import NonNegative, Positive, Range, Strict

PATRONI_MIN_TTL_S = 20
PATRONI_MIN_LOOP_WAIT_S = 1
PATRONI_MIN_RETRY_TIMEOUT_S = 3


class Lease(Strict):
    """Patroni's leader lease. The limits are those Patroni 4.1 itself enforces.

    Patroni silently falls back to its defaults when they are broken; here they are refused.
    """

    ttl_s: int = Field(ge=PATRONI_MIN_TTL_S, le=3600)
    loop_wait_s: int = Field(ge=PATRONI_MIN_LOOP_WAIT_S, le=600)
    retry_timeout_s: int = Field(ge=PATRONI_MIN_RETRY_TIMEOUT_S, le=600)

    @model_validator(mode="after")
    def _renewable(self) -> Self:
        needed = self.loop_wait_s + 2 * self.retry_timeout_s
        if needed > self.ttl_s:
            raise ValueError(
                "loop_wait_s + 2·retry_timeout_s ≤ ttl_s is required, got "
                f"{self.loop_wait_s} + 2·{self.retry_timeout_s} = {needed} > {self.ttl_s}"
            )
        return self


class Consensus(Strict):
    """The etcd cluster that holds the lease."""

    voters: tuple[str, ...] = Field(min_length=1, description="sites that run an etcd member")
    preferred_leader: str | None = Field(
        default=None,
        description="site to keep etcd's own leader on; every lease is renewed when it changes",
    )
    heartbeat_s: Positive = 0.1
    election_timeout_s: Positive = 1.0

    @property
    def quorum(self) -> int:
        """Members that must be reachable for the lease to be granted."""
        return len(self.voters) // 2 + 1


class CloudStandby(Strict):
    """An asynchronous standby cluster in the cloud, promoted when both nodes are lost."""

    site: str
    consensus: Consensus


class FailureDetector(Strict):
    """Ends a dead primary's lease early, so that failover need not wait for it to run out.

    An agent on ``site`` checks the primary's site by ``check``. Once it is down by that rule *and*
    the standby hears nothing from it either, the agent fences it (nothing of it runs any more) and
    revokes its lease. Without fencing first, two nodes could believe to be primary for a while.
    """

    site: str = Field(description="site of the agent; must be none of the database's own")
    check: HealthCheck


class Backup(Strict):
    """Base backups and archived WAL of the primary in the cloud's bucket."""

    site: str = Field(description="site that runs the bucket")
    base_every_h: Positive = 24.0
    archive_timeout_s: int = Field(
        default=60, ge=1, description="a WAL segment is archived at least this often, in use"
    )
    keep_base_backups: int = Field(default=7, ge=1)


class ManagedDatabase(Strict):
    """A provider keeps the database available: no lease or quorum of ours is involved.

    ``availability: regional`` is a synchronous standby in another zone that takes over the same
    address; ``zonal`` is a single instance.
    """

    provider: Literal["cloud-sql"]
    availability: Literal["zonal", "regional"]
    failover_s: Range = Field(description="outage when the provider changes to the standby")
    automated_backups: bool = False


class Database(Strict):
    """PostgreSQL, under Patroni or managed by a provider."""

    version: Literal[15] = 15
    sites: tuple[str, ...] = Field(min_length=1)
    replication: Literal["none", "asynchronous", "synchronous", "synchronous-strict"]
    commit: Literal["local", "remote_write", "on", "remote_apply"] = Field(
        default="on", description="PostgreSQL synchronous_commit"
    )
    lease: Lease | None = None
    consensus: Consensus | None = None
    cloud_standby: CloudStandby | None = None
    failure_detector: FailureDetector | None = None
    backup: Backup | None = None
    managed: ManagedDatabase | None = Field(
        default=None, description="in place of lease and consensus; replication is 'none'"
    )
    max_connections: int = Field(default=60, ge=10, le=1000)
    promotion_s: tuple[NonNegative, NonNegative, NonNegative] = Field(
        default=(0.3, 1.0, 3.0),
        description="low, typical, high seconds from the lease's expiry seen to accepting writes",
    )
    requirements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.replication != "none" and (self.lease is None or self.consensus is None):
            raise ValueError("a replicated database needs 'lease' and 'consensus'")
        if self.replication != "none" and len(self.sites) < 2:  # noqa: PLR2004
            raise ValueError(f"replication '{self.replication}' needs at least two sites")
        if self.managed is not None and self.replication != "none":
            raise ValueError("a managed database replicates by itself: replication must be 'none'")
        return self


class Cache(Strict):
    """Redis with Sentinel: only what can be rebuilt."""

    sites: tuple[str, ...] = Field(min_length=1)
    sentinels: tuple[str, ...]
    down_after_s: Positive = 1.0
    requirements: tuple[str, ...] = ()


class Documents(Strict):
    """Where document bytes live and how they reach the second copy.

    ``object-store`` is a cloud bucket: one copy as far as the design is concerned, kept by the
    provider.
    """

    sites: tuple[str, ...] = Field(min_length=1)
    method: Literal["rsync", "acknowledged-by-both", "distributed", "object-store"]
    interval_s: NonNegative = Field(default=0, description="sync period of the rsync method")
    conflicts: Literal["primary-wins", "keep-both"]
    bucket: str | None = Field(
        default=None, description="site whose bucket gets every document too, asynchronously"
    )
    requirements: tuple[str, ...] = ()
