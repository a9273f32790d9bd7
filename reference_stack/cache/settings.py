"""What a process must know to find Redis."""

from __future__ import annotations

from pydantic import Field

from architecture.values import Positive, Strict

#: What the sentinels call the one master they watch.
MASTER_NAME = "cache"


class SentinelAddress(Strict):
    """Where a sentinel listens."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)


class CacheSettings(Strict):
    """The sentinels, who know the master, and how patient to be with either."""

    sentinels: tuple[SentinelAddress, ...] = Field(min_length=1)
    master_name: str = MASTER_NAME
    password: str = Field(repr=False, min_length=1)
    call_timeout_s: Positive = Field(
        default=0.1, description="longest a request waits for one call of Redis"
    )
    failures_to_open: int = Field(
        default=3, ge=1, description="failures in a row after which Redis is no longer asked"
    )
    probe_interval_s: Positive = Field(
        default=0.25, description="first pause between two looks for a master; it doubles up to 2 s"
    )
    watch_interval_s: Positive = Field(
        default=2.0, description="between two looks whether the master has moved"
    )
