"""What keeps Redis and its sentinels from being whole, asked of the sentinels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from architecture.design import Design
from reference_stack.addresses import AddressPlan, Endpoint
from reference_stack.cache.settings import MASTER_NAME
from reference_stack.silence import silent

TIMEOUT_S = 0.5


def problems(design: Design, addresses: AddressPlan, password: str) -> list[str]:
    """What keeps the cache from being whole, in words; empty when nothing does.

    Args:
        design: The stack's design; without a cache there is nothing to be wrong with.
        addresses: Where its sites listen.
        password: The stack's secret ``cache``.
    """
    cache = design.cache
    if cache is None:
        return []
    found: list[str] = []
    masters: set[str] = set()
    for site in cache.sentinels:
        try:
            state = _sentinel_master(addresses.endpoint(site, "sentinel"), password)
        except (redis.RedisError, OSError) as error:
            found.append(_silent(f"{site}: the cache's sentinel", error))
            continue
        masters.add(f"{state['ip']}:{state['port']}")
        found += [
            f"{site}: the sentinel {problem}"
            for problem in _complaints(state, len(cache.sentinels) - 1, len(cache.sites) - 1)
        ]
    if len(masters) > 1:
        found.append(f"the sentinels name different masters of the cache: {sorted(masters)}")
    for site in cache.sites:
        found += _replication_problems(site, addresses.endpoint(site, "cache"), password, masters)
    return found


def sentinel_view(endpoint: Endpoint, password: str) -> Mapping[str, Any] | None:
    """What a sentinel knows of the master (``SENTINEL MASTER``); None when it does not answer."""
    try:
        return _sentinel_master(endpoint, password)
    except (redis.RedisError, OSError):
        return None


def _sentinel_master(endpoint: Endpoint, password: str) -> Mapping[str, Any]:
    with connect(endpoint, password) as client:
        state: Mapping[str, Any] = client.sentinel_master(MASTER_NAME)
    return state


def replication(endpoint: Endpoint, password: str) -> Mapping[str, Any]:
    """A server's ``INFO replication``; empty when it does not answer."""
    try:
        return _replication(endpoint, password)
    except (redis.RedisError, OSError):
        return {}


def _replication(endpoint: Endpoint, password: str) -> Mapping[str, Any]:
    with connect(endpoint, password) as client:
        state: Mapping[str, Any] = client.info("replication")
    return state


def _silent(what: str, error: Exception) -> str:
    late = isinstance(error, redis.exceptions.TimeoutError)
    return silent(what, TimeoutError() if late else error, TIMEOUT_S)


def connect(endpoint: Endpoint, password: str, timeout_s: float = TIMEOUT_S) -> redis.Redis:
    """A client for one server that neither retries nor waits longer than ``timeout_s``."""
    return redis.Redis(
        host=endpoint.host,
        port=endpoint.port,
        password=password,
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
    )


def _complaints(state: Mapping[str, Any], others: int, replicas: int) -> list[str]:
    complaints = []
    if state["is_sdown"] or state["is_odown"]:
        complaints.append("sees the master down")
    if state["num-other-sentinels"] < others:
        complaints.append(f"knows {state['num-other-sentinels']} of {others} others")
    if state["num-slaves"] < replicas:
        complaints.append(f"knows {state['num-slaves']} of {replicas} replicas")
    return complaints


def _replication_problems(
    site: str, endpoint: Endpoint, password: str, masters: set[str]
) -> list[str]:
    try:
        state = _replication(endpoint, password)
    except (redis.RedisError, OSError) as error:
        return [_silent(f"{site}: redis", error)]
    if state["role"] == "master" and str(endpoint) not in masters:
        return [f"{site}: redis takes itself for the master and has not been told otherwise yet"]
    if state["role"] != "master" and state.get("master_link_status") != "up":
        return [f"{site}: redis is a replica without its master"]
    return []
