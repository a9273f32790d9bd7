"""Redis under three sentinels: who takes over, who comes back as what, and what is lost (D-06)."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import redis

from tests.cache.redis_servers import CACHE_SITES, SITES, RedisSites, wait_until

pytestmark = pytest.mark.servers


def other(site: str) -> str:
    return "mac-2" if site == "mac-1" else "mac-1"


def test_the_designs_first_cache_site_begins_as_master(cache: RedisSites) -> None:
    assert cache.master() == "mac-1"
    assert (cache.role("mac-1"), cache.role("mac-2")) == ("master", "slave")


def test_without_the_password_neither_redis_nor_sentinel_answers(cache: RedisSites) -> None:
    for service in ("cache", "sentinel"):
        endpoint = cache.addresses.endpoint("mac-1", service)
        stranger = redis.Redis(endpoint.host, endpoint.port, protocol=2)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_the_survivor_takes_over_and_a_dead_master_comes_back_as_its_replica(
    cache: RedisSites,
) -> None:
    cache.client("mac-1").set("before", "1")
    assert cache.client("mac-1").wait(1, 9000) == 1
    cache.kill("mac-1")
    wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
    assert cache.client("mac-2").get("before") == "1"
    cache.client("mac-2").set("after", "2")
    cache.start("mac-1")
    cache.wait_until_whole()
    assert (cache.role("mac-1"), cache.role("mac-2")) == ("slave", "master")
    wait_until(lambda: cache.client("mac-1").get("after") == "2", "the old master lacks the write")


def test_everything_restarted_at_once_keeps_the_promoted_master(cache: RedisSites) -> None:
    cache.kill("mac-1")
    wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
    wait_until(lambda: cache.master() == "mac-2", "the sentinels do not say so")
    for site in ("mac-2", "edge"):
        cache.kill(site)
    for site in SITES:
        cache.start(site)
    cache.wait_until_whole()
    assert cache.master() == "mac-2"


def test_one_sentinel_alone_promotes_nobody(cache: RedisSites) -> None:
    cache.kill("edge")
    cache.kill("mac-1")
    time.sleep(4 * cache.design.cache.down_after_s)
    assert cache.role("mac-2") == "slave"


def test_acknowledged_writes_are_lost_when_their_replica_had_not_read_them(
    cache: RedisSites,
) -> None:
    """D-06. The replica stands still, the master acknowledges, dies, and the replica succeeds it.

    16 MB are more than the sockets between the two can hold, so the last write is certain to be in
    the master's memory alone. A write that had waited for its replica would not have been
    acknowledged.
    """
    master = cache.client("mac-1")
    cache.signal("mac-2", signal.SIGSTOP, ["redis"])
    acknowledged = [key for key in range(160) if master.set(f"write:{key}", b"x" * 100_000)]
    assert len(acknowledged) == 160
    assert master.wait(1, 100) == 0
    cache.kill("mac-1")
    cache.signal("mac-2", signal.SIGCONT, ["redis"])
    wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
    survivor = cache.client("mac-2")
    lost = [key for key in acknowledged if not survivor.exists(f"write:{key}")]
    assert 159 in lost


def test_at_its_memory_limit_the_cache_forgets_and_never_refuses(cache: RedisSites) -> None:
    master = cache.client("mac-1")
    for key in range(800):
        assert master.set(f"big:{key}", b"x" * 100_000)
    assert master.info("stats")["evicted_keys"] > 0
    # What the replica has not fetched yet is held on top of the limit.
    wait_until(
        lambda: master.info("memory")["used_memory"] < 90 * 1024**2, "more than the limit is held"
    )


def test_patients_data_never_reach_the_disk(cache: RedisSites) -> None:
    master = cache.client("mac-1")
    master.set("lookup", "João da Silva")
    assert master.wait(1, 9000) == 1
    cache.kill("mac-1")
    wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
    cache.start("mac-1")
    cache.wait_until_whole()
    files = [path for path in cache.directory.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if "João".encode() in path.read_bytes()]


def test_rewritten_files_with_the_password_stay_their_owners(cache: RedisSites) -> None:
    cache.kill("mac-1")
    wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
    cache.start("mac-1")
    cache.wait_until_whole()
    files = list(cache.directory.rglob("*.conf"))
    assert len(files) == len(CACHE_SITES) + len(SITES)
    for path in files:
        assert cache.password in path.read_text()
        assert readable_only_by_owner(path), path


def readable_only_by_owner(path: Path) -> bool:
    return not (path.stat().st_mode & 0o077 and path.parent.stat().st_mode & 0o077)
