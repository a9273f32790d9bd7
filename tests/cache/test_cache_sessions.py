"""A session that was logged out stays out, whatever becomes of Redis; no other one suffers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from reference_stack.api.auth import Clinician, issue_token, utc_now
from reference_stack.api.sessions import REFRESH_S
from tests.api.api_server import CLINICIAN, Client, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.cache.redis_servers import SITES, RedisSites, wait_until
from tests.cache.test_cache_requests import api, breaker_open

pytestmark = pytest.mark.servers

# The other node reads the table this often; the rest is for a busy machine.
OTHER_NODE_S = REFRESH_S + 30


def session() -> dict[str, str]:
    """The headers of a new session."""
    clinician = Clinician(CLINICIAN.id, CLINICIAN.name, CLINICIAN.role)
    token = issue_token(api_settings("postgresql://x"), clinician, utc_now())
    return {"Authorization": f"Bearer {token}"}


def status(client: Client, headers: dict[str, str]) -> int:
    return client.get("/v1/patients?limit=1", headers=headers).status_code


def is_out(client: Client, headers: dict[str, str]) -> Callable[[], bool]:
    return lambda: status(client, headers) == 401


def test_a_session_logged_out_on_one_node_is_out_there_at_once_and_soon_on_the_other(
    shared_server: PostgresServer, shared_cache: RedisSites
) -> None:
    with api(shared_server, shared_cache) as one, api(shared_server, shared_cache, "mac-2") as two:
        mine, another = session(), session()
        assert [status(client, mine) for client in (one, two)] == [200, 200]
        assert one.post("/v1/logout", headers=mine).status_code == 204
        assert problem(one.post("/v1/logout", headers=mine)) == (401, "not-authenticated")
        wait_until(is_out(two, mine), "still in", OTHER_NODE_S)
        assert [status(client, another) for client in (one, two)] == [200, 200]


def test_without_redis_the_other_node_hears_of_it_from_the_database(
    shared_server: PostgresServer,
) -> None:
    with api(shared_server, None) as one, api(shared_server, None, "mac-2") as two:
        mine = session()
        assert status(two, mine) == 200
        assert one.post("/v1/logout", headers=mine).status_code == 204
        assert status(one, mine) == 401
        wait_until(is_out(two, mine), "still in", OTHER_NODE_S)


def test_redis_losing_everything_lets_no_one_back_in_and_logs_no_one_out(
    shared_server: PostgresServer, cache: RedisSites
) -> None:
    with api(shared_server, cache) as one, api(shared_server, cache, "mac-2") as two:
        gone, staying = session(), session()
        assert one.post("/v1/logout", headers=gone).status_code == 204
        wait_until(is_out(two, gone), "still in", OTHER_NODE_S)
        cache.client("mac-1").flushall()
        for site in SITES:
            cache.kill(site)
        for client in (one, two):
            assert status(client, gone) == 401
            assert status(client, staying) == 200
    with api(shared_server, None) as restarted:
        assert status(restarted, gone) == 401
        assert status(restarted, staying) == 200


def test_a_log_out_that_could_not_be_stored_is_not_acknowledged(server: PostgresServer) -> None:
    with serving(api_settings(server.url("hospital"), request_timeout_s=0.5)) as client:
        mine = session()
        assert status(client, mine) == 200
        server.stop()
        assert client.post("/v1/logout", headers=mine).status_code == 503
        server.start()
        wait_until(lambda: status(client, mine) == 200, "logged out without an acknowledgement")


def test_a_node_that_cannot_know_who_was_logged_out_lets_nobody_in(
    server: PostgresServer,
) -> None:
    with api(server, None) as client:
        mine = session()
        assert client.post("/v1/logout", headers=mine).status_code == 204
    server.stop()
    settings = api_settings(server.url("hospital"), request_timeout_s=0.5)
    with serving(settings) as restarted:
        for path in ("/v1/patients?limit=1", "/v1/sessions"):
            assert problem(restarted.get(path, headers=mine)) == (503, "database-unavailable")
        server.start()
        wait_until(is_out(restarted, mine), "the revoked session is in", OTHER_NODE_S + 5)


def test_sessions_are_listed_with_when_they_were_last_seen(
    shared_server: PostgresServer, cache: RedisSites
) -> None:
    with api(shared_server, cache) as client:
        cache.client("mac-1").flushall()
        first, second = session(), session()
        began = utc_now()
        for headers in (first, second):
            assert status(client, headers) == 200
        listed = lambda: client.get("/v1/sessions", headers=second).json()["items"]  # noqa: E731
        wait_until(lambda: len(listed()) == 2, "the sessions are not listed")
        items = listed()
        assert {item["current"] for item in items} == {True, False}
        assert all(abs_seconds(item["last_seen"], began.timestamp()) < 600 for item in items)
        assert client.post("/v1/logout", headers=first).status_code == 204
        assert len(client.get("/v1/sessions", headers=second).json()["items"]) == 1
        for site in SITES:
            cache.kill(site)
        wait_until(lambda: breaker_open(client), "still there")
        items = client.get("/v1/sessions", headers=second).json()["items"]
        assert [(item["current"], item["last_seen"]) for item in items] == [(True, None)]


def abs_seconds(moment: str, unix: float) -> float:
    return abs(datetime.fromisoformat(moment).timestamp() - unix)
