"""Guesses at passwords and floods are refused, on both nodes; those who do no wrong are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from reference_stack.api import limits as limits_module
from reference_stack.api.limits import ACCOUNT, ADDRESS, REQUESTS, LocalCounts, RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.problems import ProblemError
from reference_stack.cache.breaker import Breaker
from reference_stack.cache.client import CacheClient
from reference_stack.cache.settings import CacheSettings
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians
from tests.api.api_server import (
    CLINICIAN,
    CLINICIANS,
    HOSPITAL_SECRET,
    SEED,
    TOKEN_SECRET,
    Client,
    api_settings,
    problem,
    serving,
)
from tests.api.postgres_server import PostgresServer
from tests.cache.redis_servers import RedisSites, wait_until
from tests.cache.test_cache_requests import PATIENCE_S, api, metric

USERNAMES = [clinician.username for clinician in generate_clinicians(SEED, CLINICIANS)]


def log_in(client: Client, username: str, password: str | None = None) -> int:
    known = clinician_password(HOSPITAL_SECRET, username)
    credentials = {"username": username, "password": password or known}
    return client.post("/v1/login", json=credentials).status_code


def test_an_open_breaker_closes_by_word_alone_and_opens_by_failures_in_a_row() -> None:
    breaker = Breaker(3)
    assert not breaker.is_closed
    breaker.close()
    for _ in range(2):
        assert not breaker.failed()
    breaker.succeeded()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    breaker.succeeded()
    assert not breaker.is_closed
    assert breaker.times_opened == 1


def test_a_local_window_begins_with_its_first_event_and_ends_on_time() -> None:
    now = 100.0
    counts = LocalCounts(lambda: now)
    assert counts.add(REQUESTS, "a", 1) == (1, REQUESTS.window_s)
    now += REQUESTS.window_s - 1
    assert counts.add(REQUESTS, "a", 1) == (2, 1.0)
    assert counts.add(REQUESTS, "b", 1) == (1, REQUESTS.window_s)
    now += 1
    assert counts.add(REQUESTS, "a", 1) == (1, REQUESTS.window_s)


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    counts = LocalCounts(lambda: 0.0)
    for number in range(3 * LocalCounts.MAX_KEYS):
        counts.add(ACCOUNT, str(number), 1)
    assert len(counts) <= LocalCounts.MAX_KEYS


@pytest.mark.servers
def test_guesses_are_counted_over_both_nodes_and_forgotten_within_the_minute(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    redis = shared_cache.client(shared_cache.master())
    redis.flushall()
    with api(shared_server, shared_cache) as one, api(shared_server, shared_cache, "mac-2") as two:
        half = ACCOUNT.count // 2
        for client in (one, two):
            for _ in range(half):
                assert log_in(client, CLINICIAN.username, "wrong") == 401
        credentials = {"username": CLINICIAN.username, "password": "wrong"}
        for client in (one, two):
            refused = client.post("/v1/login", json=credentials)
            assert problem(refused) == (429, "too-many-attempts")
            assert 1 <= int(refused.headers["retry-after"]) <= ACCOUNT.window_s + 1
        assert log_in(one, USERNAMES[1]) == 200
        assert metric(one, "prontuario_api_rate_limited_total", limit=ACCOUNT.name) == 1
        assert max(redis.ttl(key) for key in redis.keys("limit:login-*")) <= ACCOUNT.window_s
    redis.flushall()


@pytest.mark.servers
def test_many_guesses_at_once_do_not_slip_through(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    shared_cache.client(shared_cache.master()).flushall()
    with api(shared_server, shared_cache) as client, ThreadPoolExecutor(20) as threads:
        answers = list(
            threads.map(lambda _: log_in(client, USERNAMES[2], "wrong"), range(3 * ACCOUNT.count))
        )
    assert answers.count(401) <= ACCOUNT.count
    assert set(answers) == {401, 429}
    shared_cache.client(shared_cache.master()).flushall()


def unhurried(cache: RedisSites) -> CacheSettings:
    """A healthy Redis is no Redis that is away, however busy the machine is."""
    return cache.settings(call_timeout_s=PATIENCE_S)


@asynccontextmanager
async def limits(settings: CacheSettings | None) -> AsyncIterator[RateLimits]:
    client = CacheClient(settings)
    await client.start()
    while settings is not None and not client.breaker.is_closed:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield RateLimits(client, Metrics([], client), TOKEN_SECRET)
    finally:
        await client.close()


@pytest.mark.servers
@pytest.mark.parametrize("with_redis", [True, False])
def test_a_whole_hospital_logs_in_from_one_address(
    shared_cache: RedisSites, *, with_redis: bool
) -> None:
    """200 clinicians, each with a second try, from one balancer: nobody is refused."""
    shared_cache.client(shared_cache.master()).flushall()

    async def everybody_logs_in() -> None:
        async with limits(unhurried(shared_cache) if with_redis else None) as limit:
            for number in [*range(200), *range(200)]:
                attempt = await limit.begin_login(f"clinician {number}", "10.77.0.13")
                await attempt.take_back()

    asyncio.run(everybody_logs_in())


@pytest.mark.servers
@pytest.mark.parametrize("with_redis", [True, False])
def test_wrong_passwords_for_many_accounts_are_counted_by_their_address(
    shared_cache: RedisSites, *, with_redis: bool
) -> None:
    shared_cache.client(shared_cache.master()).flushall()

    async def guess() -> None:
        async with limits(unhurried(shared_cache) if with_redis else None) as limit:
            for number in range(ADDRESS.count):
                attempt = await limit.begin_login(f"clinician {number}", "10.0.0.66")
                await attempt.was_wrong()
            with pytest.raises(ProblemError, match="too-many-attempts"):
                await limit.begin_login("clinician 999", "10.0.0.66")
            await limit.begin_login("clinician 999", "10.0.0.67")

    asyncio.run(guess())


@pytest.mark.servers
def test_tries_during_an_outage_lock_nobody_out(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = 3
    monkeypatch.setattr(limits_module, "ACCOUNT", replace(ACCOUNT, count=few))
    with serving(api_settings(server.url("hospital"), request_timeout_s=3.0)) as client:
        wait_until(lambda: log_in(client, CLINICIAN.username) == 200, "nobody is let in")
        server.stop()
        for _ in range(2 * few):
            assert log_in(client, CLINICIAN.username) == 503
        server.start()
        # Within the minute after which even an account that was locked is free again.
        wait_until(lambda: log_in(client, CLINICIAN.username) == 200, "locked out", 45)


@pytest.mark.servers
def test_requests_to_one_node_count_on_the_other(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    redis = shared_cache.client(shared_cache.master())
    redis.flushall()
    redis.set(f"limit:{REQUESTS.name}:{CLINICIAN.id}", REQUESTS.count, ex=60)
    with api(shared_server, shared_cache) as client:
        wait_until(lambda: client.get("/v1/sessions").status_code == 429, "what the other counted")
    redis.flushall()


@pytest.mark.servers
@pytest.mark.parametrize("with_redis", [True, False])
def test_one_clinicians_flood_is_refused_and_no_one_elses_request(
    shared_server: PostgresServer, shared_cache: RedisSites, monkeypatch: pytest.MonkeyPatch,
    *, with_redis: bool,
) -> None:  # fmt: skip
    """With a smaller number than the real one, which a busy machine can't exceed in its time."""
    few = 5
    monkeypatch.setattr(limits_module, "REQUESTS", replace(REQUESTS, count=few))
    shared_cache.client(shared_cache.master()).flushall()
    with api(shared_server, shared_cache if with_redis else None) as client:
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(lambda _: client.get("/v1/sessions").status_code, range(10 * few))
            )
        colleague = client.post(
            "/v1/login",
            json={
                "username": USERNAMES[3],
                "password": clinician_password(HOSPITAL_SECRET, USERNAMES[3]),
            },
        ).json()["access_token"]
        headers = {"Authorization": f"Bearer {colleague}"}
        assert client.get("/v1/sessions", headers=headers).status_code == 200
    assert set(answers) == {200, 429}
    assert answers.count(200) >= few
    shared_cache.client(shared_cache.master()).flushall()
