"""Requests to the API while its cache works, changes its master, stands still and is gone."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from reference_stack.api.auth import Clinician, issue_token, utc_now
from reference_stack.api.cache import LOOKUP_TTL_S
from tests.api.api_server import CLINICIAN, OTHERS, PATIENT, Client, api_settings, serving
from tests.api.postgres_server import PostgresServer
from tests.cache.redis_servers import SITES, RedisSites, wait_until

pytestmark = pytest.mark.servers

# What a request may take at all: three calls of Redis of 0.1 s each, and a busy machine.
LONGEST_S = 10.0
# How long a healthy Redis is waited for, so that a busy machine is not taken for its absence.
PATIENCE_S = 10.0
# Redis's answer for a key that never ends; one that just ended answers -2.
FOR_EVER = -1


@contextmanager
def api(
    server: PostgresServer, cache: RedisSites | None, site: str = "mac-1", *,
    call_timeout_s: float = PATIENCE_S, **changes: float,
) -> Iterator[Client]:  # fmt: skip
    of_redis = cache.settings(site, call_timeout_s=call_timeout_s) if cache else None
    settings = api_settings(server.url("hospital"), site=site, cache=of_redis, **changes)
    with serving(settings) as client:
        if cache is not None:
            wait_until(lambda: not breaker_open(client), "the API does not find the cache")
        yield client


def metric(client: Client, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    for family in families:
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return 0.0


def breaker_open(client: Client) -> bool:
    return metric(client, "prontuario_api_cache_breaker_open") == 1


def lookups(client: Client, result: str) -> float:
    return metric(client, "prontuario_api_cache_lookups_total", result=result)


class Traffic:
    """A few clinicians who look up and write without a pause; every answer is kept."""

    def __init__(self, client: Client, clinicians: int = 3) -> None:
        self._client = client
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(clinicians)
        self.answers: list[tuple[int, float]] = []
        for number in range(clinicians):
            self._threads.submit(self._work, number)

    def _work(self, number: int) -> None:
        turn = 0
        while not self._stopping.wait(0.02):
            turn += 1
            patient = OTHERS[(turn * 3 + number) % len(OTHERS)]
            began = time.monotonic()
            try:
                if turn % 5 == 0:
                    status = self._client.write_note().status_code
                else:
                    status = self._client.get(f"/v1/patients/{patient.id}").status_code
            except Exception:  # noqa: BLE001 - whatever went wrong, the request failed
                status = 0
            self.answers.append((status, time.monotonic() - began))

    def wait_for_more(self) -> None:
        """Until so many requests more are answered that each clinician had some of each kind."""
        goal = len(self.answers) + 30
        wait_until(lambda: len(self.answers) >= goal, "no answers")

    def end(self) -> None:
        self._stopping.set()
        self._threads.shutdown()

    def failures(self) -> list[int]:
        return [status for status, _ in self.answers if status not in {200, 201}]

    def longest_s(self) -> float:
        return max(duration_s for _, duration_s in self.answers)


@contextmanager
def traffic(client: Client) -> Iterator[Traffic]:
    running = Traffic(client)
    try:
        running.wait_for_more()
        yield running
        running.wait_for_more()
    finally:
        running.end()


def test_a_second_look_at_a_patient_is_answered_from_the_cache(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    with api(shared_server, shared_cache) as client:
        for ask in (
            lambda: client.get(f"/v1/patients/{OTHERS[0].id}"),
            lambda: client.get("/v1/patients", params={"query": OTHERS[0].name}),
        ):
            hits = lookups(client, "hit")
            first = ask()
            wait_until(
                lambda ask=ask, hits=hits: (
                    ask().status_code == 200 and lookups(client, "hit") > hits
                ),
                "never from the cache",
            )
            second = ask()
            assert (second.content, second.headers["content-type"]) == (
                first.content,
                first.headers["content-type"],
            )


def test_what_one_role_was_told_is_not_told_to_another(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    with api(shared_server, shared_cache) as client:
        settings = api_settings(shared_server.url("hospital"))
        path = f"/v1/patients/{OTHERS[1].id}"
        answers = {}
        for role in ("physician", "nurse"):
            token = issue_token(settings, Clinician(CLINICIAN.id, CLINICIAN.name, role), utc_now())
            headers = {"Authorization": f"Bearer {token}"}
            before = lookups(client, "miss")
            answers[role] = client.get(path, headers=headers).status_code
            assert lookups(client, "miss") == before + 1
        assert answers == {"physician": 200, "nurse": 200}


def _made_lasting(redis: Redis) -> bool:
    """Whether there are kept answers; they outlive the seconds that a server takes to stop."""
    return any(redis.expire(key, 600) for key in redis.keys("lookup:*"))


def test_a_probe_that_wants_the_database_gets_it(server: PostgresServer, cache: RedisSites) -> None:
    probe = {"Cache-Control": "no-cache"}
    with api(server, cache, request_timeout_s=2.0) as client:
        client.wait_until_served()
        path = f"/v1/patients/{OTHERS[2].id}"
        redis = cache.client("mac-1")
        redis.flushall()
        wait_until(lambda: client.get(path).is_success and _made_lasting(redis), "nothing was kept")
        server.stop()
        assert client.get(path).status_code == 200
        assert client.get(path, headers=probe).status_code == 503


def test_answers_live_seconds_and_their_keys_tell_no_names(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    redis = shared_cache.client(shared_cache.master())
    redis.flushall()
    with api(shared_server, shared_cache) as client:
        client.get("/v1/patients", params={"query": PATIENT.name})
        client.get("/v1/patients/00000000-0000-4000-8000-000000000000")
        kept: list[str] = []
        wait_until(lambda: bool(kept.extend(redis.keys("lookup:*")) or kept), "nothing was kept")
        (key,) = kept
        assert redis.ttl(key) != FOR_EVER
        assert redis.ttl(key) <= LOOKUP_TTL_S
        assert not [word for word in PATIENT.name.lower().split() if word in key.lower()]
        assert all(redis.ttl(name) != FOR_EVER for name in redis.keys("*"))


def test_the_masters_death_fails_no_request_and_the_next_master_is_used(
    server: PostgresServer, cache: RedisSites
) -> None:
    with api(server, cache, call_timeout_s=0.1) as client, traffic(client) as running:
        cache.kill("mac-1")
        wait_until(lambda: cache.role("mac-2") == "master", "no promotion")
        hits = lookups(client, "hit")
        wait_until(lambda: lookups(client, "hit") > hits, "the new master is never asked")
        wait_until(lambda: not breaker_open(client), "the new master is given up")
    assert running.failures() == []
    assert running.longest_s() < LONGEST_S


def test_a_cache_that_stands_still_delays_a_few_requests_and_fails_none(
    server: PostgresServer, cache: RedisSites
) -> None:
    with api(server, cache, call_timeout_s=0.1) as client, traffic(client) as running:
        for site in SITES:
            cache.signal(site, signal.SIGSTOP)
        wait_until(lambda: breaker_open(client), "the breaker does not open")
        time.sleep(1)
        for site in SITES:
            cache.signal(site, signal.SIGCONT)
        wait_until(lambda: not breaker_open(client), "the cache is not taken back")
    assert running.failures() == []
    assert running.longest_s() < LONGEST_S


def test_with_every_part_of_the_cache_dead_no_request_fails_or_waits(
    server: PostgresServer, cache: RedisSites
) -> None:
    with api(server, cache, call_timeout_s=0.1) as client, traffic(client) as running:
        for site in SITES:
            cache.kill(site)
        wait_until(lambda: breaker_open(client), "the breaker does not open")
        asked = metric(client, "prontuario_api_cache_breaker_opened_total")
        time.sleep(2)
        assert metric(client, "prontuario_api_cache_breaker_opened_total") == asked
        assert lookups(client, "away") > 0
        for site in SITES:
            cache.start(site)
        wait_until(lambda: not breaker_open(client), "the cache is not taken back")
    assert running.failures() == []
    assert running.longest_s() < LONGEST_S


def test_the_api_starts_and_serves_without_its_cache(
    shared_server: PostgresServer, cache: RedisSites
) -> None:
    settings = api_settings(shared_server.url("hospital"), cache=cache.settings())
    for site in SITES:
        cache.kill(site)
    with serving(settings) as client:
        assert client.look_up().status_code == 200
        assert breaker_open(client)
