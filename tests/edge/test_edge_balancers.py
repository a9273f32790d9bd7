"""Two real balancers before small real servers: TLS, planned moves, losses, promotions."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import gevent
import httpx
import pytest

from architecture.workload import Client
from load import calls
from load.exchange import Answer, attempt
from load.line import Line
from reference_stack.addresses import Endpoint
from reference_stack.edge.admin import (
    BalancerAdmin,
    BalancerError,
    NoBalancerError,
    balancer_admin,
)
from reference_stack.edge.clients import certificate_authority, client_urls
from reference_stack.edge.haproxy import API, CHAT, DATABASE
from tests.edge.edge_network import Edge
from tests.waiting import wait_for

pytestmark = [pytest.mark.servers]


def admin_of(edge: Edge) -> BalancerAdmin:
    return balancer_admin(edge.design, edge.addresses)


def database_behind(edge: Edge, balancer: str) -> tuple[str, socket.socket]:
    """Site that a new database connection ends at, and the connection."""
    endpoint = edge.addresses.endpoint(balancer, "balancer-database")
    connection = socket.create_connection((endpoint.host, endpoint.port), 20)
    return connection.recv(100).decode().strip(), connection


def site_of_database(edge: Edge, balancer: str) -> str:
    try:
        site, connection = database_behind(edge, balancer)
    except OSError:
        return ""
    connection.close()
    return site


def test_a_client_with_the_authority_is_served_at_every_way_in(edge: Edge) -> None:
    expected = {"edge": "mac-1", "edge-2": "mac-1", "gcp": "gcp"}
    with edge.trusting_client() as client:
        for site, served_by in expected.items():
            url = f"https://{edge.addresses.endpoint(site, 'balancer-api')}"
            assert url in client_urls(edge.design, edge.addresses)
            answer = client.get(f"{url}/v1/patients")
            assert (answer.status_code, answer.text) == (200, served_by)
            assert answer.headers["X-Told-Client"].startswith(("127.", "10."))


def test_a_client_without_the_authority_talks_to_nobody(edge: Edge) -> None:
    for url in client_urls(edge.design, edge.addresses):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/health", trust_env=False, timeout=30)
        plain = url.replace("https", "http")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{plain}/health", trust_env=False).raise_for_status()


def test_a_drained_server_ends_its_requests_and_gets_no_new_one(edge: Edge) -> None:
    admin, url = admin_of(edge), client_urls(edge.design, edge.addresses)[0]
    served: list[tuple[float, str]] = []
    failures: list[str] = []
    done = threading.Event()

    def flow(path: str) -> None:
        with edge.trusting_client() as client:
            while not done.is_set():
                began = time.monotonic()
                answer = client.get(f"{url}{path}")
                served.append((began, answer.text))
                if answer.status_code != 200:
                    failures.append(answer.text)

    threads = [threading.Thread(target=flow, args=(p,)) for p in ("/a", "/b", "/slow", "/slow")]
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: len(served) > 20 and admin.sessions(API, "mac-1") >= 2, "a flow")
        for listener in (API, CHAT):
            told = admin.drain(listener, "mac-1")
            assert set(told.obeyed) == {"edge", "edge-2"}
        drained = time.monotonic()
        assert {states[API, "mac-1"] for states in admin.state().values()} == {"DRAIN"}
        wait_for(lambda: admin.sessions(API, "mac-1") == 0, "the end of its last request")
        count = len(served)
        wait_for(lambda: len(served) > count + 20, "more requests")
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for listener in (API, CHAT):
            admin.ready(listener, "mac-1")
    assert failures == []
    after = Counter(site for began, site in served if began > drained)
    assert set(after) == {"mac-2"}
    assert any(began < drained for began, site in served if site == "mac-1")


def test_a_drained_database_keeps_its_connections_until_they_are_closed(edge: Edge) -> None:
    admin = admin_of(edge)
    site, connection = database_behind(edge, "edge")
    assert site == "mac-1"
    try:
        admin.drain(DATABASE, "mac-1")
        assert site_of_database(edge, "edge") == ""
        connection.sendall(b"still here\n")
        assert connection.recv(100) == b"still here\n"
        admin.close_sessions(DATABASE, "mac-1")
        assert connection.recv(100) == b""
    finally:
        connection.close()
        admin.ready(DATABASE, "mac-1")
    wait_for(lambda: site_of_database(edge, "edge") == "mac-1", "the drained server's return")


def test_a_word_makes_a_server_go_and_come_before_its_next_check(edge: Edge) -> None:
    admin = admin_of(edge)
    _, connection = database_behind(edge, "edge-2")
    edge.be_primary("mac-2")
    admin.force_down(DATABASE, "mac-1")
    admin.force_up(DATABASE, "mac-2")
    assert site_of_database(edge, "edge-2") == "mac-2"
    assert connection.recv(100) == b""  # on-marked-down shutdown-sessions
    connection.close()


def test_a_promoted_cloud_gets_the_hospitals_database_connections(edge: Edge) -> None:
    edge.be_primary("gcp")
    for balancer in ("edge", "edge-2"):
        wait_for(lambda b=balancer: site_of_database(edge, b) == "gcp", "the cloud's turn")  # type: ignore[misc]


def test_a_silent_balancer_is_reported_and_the_other_still_obeys(edge: Edge) -> None:
    admin = admin_of(edge)
    edge.sites["edge"].kill()
    told = admin.drain(API, "mac-2")
    assert told.obeyed == ("edge-2",)
    assert list(told.unreachable) == ["edge"]
    assert "refused" in told.unreachable["edge"]
    assert list(admin.state()) == ["edge-2"]
    admin.ready(API, "mac-2")
    wait_for(
        lambda: (
            [p[: p.index(" answer")] for p in edge.problems()] == ["edge: the balancer does not"]
        ),
        "the one problem",
    )


def test_clients_go_to_the_cloud_when_the_whole_edge_is_lost_and_come_back(edge: Edge) -> None:
    patience = Client(
        timeout_s=20, chat_timeout_s=20, retry_backoff_s=0.1, attempts=1, connect_timeout_s=5,
        leave_after_s=0.5, return_after_s=0.5,
    )  # fmt: skip
    authority = certificate_authority(edge.directory)
    line = Line(client_urls(edge.design, edge.addresses), patience, authority)

    def served_by(site: str) -> bool:
        gevent.sleep(0.05)
        answer = Answer()
        attempt(line, calls.Call("lookup", "GET", "/v1/patients"), "", 20, answer)
        return answer.site == site

    wait_for(lambda: served_by("mac-1"), "a first answer")
    for balancer in ("edge", "edge-2"):
        edge.sites[balancer].kill()
    wait_for(lambda: served_by("gcp"), "the emergency site's own way in")
    edge.sites["edge-2"].start()
    wait_for(lambda: served_by("mac-1"), "the way back through the second balancer")
    line.close()


def test_a_refusal_carries_the_balancers_own_words(edge: Edge) -> None:
    with pytest.raises(BalancerError, match=r"edge: No such server\."):
        admin_of(edge).drain(API, "mac-9")


def test_nobody_to_talk_to_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = Endpoint("127.0.0.1", probe.getsockname()[1])
        with pytest.raises(NoBalancerError, match="no balancer can be reached"):
            BalancerAdmin({"edge": nobody}).ready(API, "mac-1")


def test_what_is_missing_is_named(edge: Edge) -> None:
    (edge.directory / "mac-1" / "primary").unlink()
    edge.sites["gcp"].kill()
    expected = {
        "edge: the balancer sees no primary database",
        "edge-2: the balancer sees no primary database",
        "edge: the balancer sees the api of gcp as DOWN",
        "edge-2: the balancer sees the api of gcp as DOWN",
        "gcp: the way in for clients does not answer",
    }
    wait_for(
        lambda: {problem.partition(": [")[0] for problem in edge.problems()} == expected,
        "every problem",
    )
