"""The files and processes of a site's Redis and of its sentinel.

Redis here holds only what can be rebuilt: its replication is asynchronous, so a failover loses
acknowledged writes (D-06). That decides the settings:

- nothing goes to the disk, neither snapshot nor log, also not while a replica copies: what lies in
  a cache of patients' data is gone with the process. A master that crashes comes back empty;
- at the memory limit any key may go (``allkeys-lru``), so that a write is never refused;
- ``min-replicas-to-write`` stays 0: a cache that blocks is worse than one that forgets.

The files are written once, when the stack is brought up. From then on Redis and Sentinel rewrite
them: who was promoted stays master, and who was master comes back as a replica.
"""

from __future__ import annotations

from pathlib import Path

from reference_stack.addresses import Endpoint
from reference_stack.cache.settings import MASTER_NAME, CacheSettings, SentinelAddress
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec

MEMORY_BYTES = 64 * 1024**2
# Sentinel's failover-timeout: how long one failover may take before another sentinel tries.
_FAILOVER_TIMEOUT_FACTOR = 3
_SHORTEST_FAILOVER_TIMEOUT_S = 6.0


def cache_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's Redis and its sentinel, as far as the design places them there."""
    cache = context.design.cache
    if cache is None:
        return []
    program = context.programs.paths["redis"]
    services = []
    if context.site in cache.sites:
        path = context.write("redis/redis.conf", redis_configuration(context))
        path.parent.chmod(0o700)
        services.append(context.service("redis", [program, path]))
    if context.site in cache.sentinels:
        path = context.write("sentinel/sentinel.conf", sentinel_configuration(context))
        path.parent.chmod(0o700)
        services.append(context.service("sentinel", [program, path, "--sentinel"]))
    return services


def cache_settings(context: SiteContext) -> CacheSettings | None:
    """What a service of this site needs to use the cache.

    None for a site that has no Redis, as the emergency site: over the WAN a cache would cost more
    than it saves, and it is not to be asked for when the hospital is gone.
    """
    cache = context.design.cache
    if cache is None or not cache.sentinels or context.site not in cache.sites:
        return None
    endpoints = [context.addresses.endpoint(site, "sentinel") for site in cache.sentinels]
    return CacheSettings(
        sentinels=tuple(SentinelAddress(host=e.host, port=e.port) for e in endpoints),
        password=context.secret("cache"),
    )


def redis_configuration(context: SiteContext) -> str:
    """Redis: the design's first cache site begins as master, the others as its replicas."""
    cache = context.design.cache
    if cache is None:
        raise ValueError("the design has no cache")
    password = context.secret("cache")
    lines = [
        *_server(context.endpoint("cache"), context.folder / "redis"),
        f"requirepass {password}",
        f"masterauth {password}",
        'save ""',
        "appendonly no",
        "repl-diskless-sync yes",
        "repl-diskless-sync-delay 0",
        "repl-diskless-load swapdb",
        "repl-ping-replica-period 1",
        "repl-timeout 10",
        f"maxmemory {MEMORY_BYTES}",
        "maxmemory-policy allkeys-lru",
        f"replica-announce-ip {context.endpoint('cache').host}",
        f"replica-announce-port {context.endpoint('cache').port}",
    ]
    first = cache.sites[0]
    if context.site != first:
        master = context.addresses.endpoint(first, "cache")
        lines.append(f"replicaof {master.host} {master.port}")
    return "\n".join(lines) + "\n"


def sentinel_configuration(context: SiteContext) -> str:
    """Sentinel: a majority of all of them must agree that the master is down."""
    cache = context.design.cache
    if cache is None:
        raise ValueError("the design has no cache")
    password = context.secret("cache")
    here = context.endpoint("sentinel")
    master = context.addresses.endpoint(cache.sites[0], "cache")
    quorum = len(cache.sentinels) // 2 + 1
    failover_s = max(_FAILOVER_TIMEOUT_FACTOR * cache.down_after_s, _SHORTEST_FAILOVER_TIMEOUT_S)
    lines = [
        *_server(here, context.folder / "sentinel"),
        f"requirepass {password}",
        f"sentinel sentinel-pass {password}",
        f"sentinel announce-ip {here.host}",
        f"sentinel announce-port {here.port}",
        f"sentinel monitor {MASTER_NAME} {master.host} {master.port} {quorum}",
        f"sentinel auth-pass {MASTER_NAME} {password}",
        f"sentinel down-after-milliseconds {MASTER_NAME} {cache.down_after_s * 1000:.0f}",
        f"sentinel failover-timeout {MASTER_NAME} {failover_s * 1000:.0f}",
        f"sentinel parallel-syncs {MASTER_NAME} 1",
    ]
    return "\n".join(lines) + "\n"


def _server(here: Endpoint, folder: Path) -> list[str]:
    return [
        f"bind {here.host}",
        f"port {here.port}",
        # Both have a password and listen on the site's own address alone.
        "protected-mode no",
        f'dir "{folder}"',
        "daemonize no",
        'logfile ""',
    ]
