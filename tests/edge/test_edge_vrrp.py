"""The balancers' shared address, in a network of its own: it is where a HAProxy answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from architecture import Design
from reference_stack import binaries
from reference_stack.edge import keepalived
from reference_stack.edge.clients import client_urls
from reference_stack.edge.health import holders
from reference_stack.site.network import best_network
from tests.edge.edge_network import Edge, running_edge, settled
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        best_network() != "namespaces" or binaries.find("keepalived") is None,
        reason="needs root, network namespaces and keepalived",
    ),
]

#: A client's own delay on a busy machine: its time-out, its next try, and two TLS handshakes.
CLIENT_S = 4.0


@pytest.fixture(scope="module")
def own_network(edge_design: Design, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running_edge(edge_design, tmp_path_factory.mktemp("vrrp"), "namespaces") as edge:
        yield edge


@pytest.fixture
def edge(own_network: Edge) -> Edge:
    """An edge whose address has come to rest."""
    settled(own_network)
    return own_network


def holder(edge: Edge) -> str:
    (only,) = holders(edge.design, edge.addresses)
    return only


def other(edge: Edge, balancer: str) -> str:
    (rest,) = set(edge.design.sites_with("balancer")) - {balancer}
    return rest


def held_by(edge: Edge, balancer: str) -> bool:
    return holders(edge.design, edge.addresses) == [balancer]


def outage_s(edge: Edge, began_s: float) -> float:
    """Seconds from before the fault until a new client is served at the shared address."""
    url = client_urls(edge.design, edge.addresses)[0]
    while time.monotonic() < began_s + 60:
        try:
            with edge.trusting_client() as client:
                client.get(f"{url}/health", timeout=1).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
        else:
            took_s = time.monotonic() - began_s
            sys.stderr.write(f"served again after {took_s:.2f} s\n")
            return took_s
    raise AssertionError("nobody took the address over")


@pytest.mark.parametrize("turn", [1, 2])
def test_a_silent_balancers_address_is_taken_over_in_the_rfcs_time(edge: Edge, turn: int) -> None:
    dead = holder(edge)
    heir = other(edge, dead)
    began_s = time.monotonic()
    edge.sites[dead].lose_power()
    took_s = outage_s(edge, began_s)
    assert took_s <= keepalived.takeover_bound_s(edge.design, heir) + CLIENT_S
    wait_for(lambda: held_by(edge, heir), "the heir's own word")
    edge.sites[dead].start()
    wait_for(lambda: not edge.problems(), "the dead balancer's return")
    assert holder(edge) == heir, "coming back, it broke every connection once more"


def test_a_balancer_that_is_cut_off_does_not_keep_the_address(edge: Edge) -> None:
    assert edge.network is not None
    cut_off = holder(edge)
    edge.network.isolate(cut_off)
    try:
        wait_for(lambda: held_by(edge, other(edge, cut_off)), "the heir's own word")
        outage_s(edge, time.monotonic())
    finally:
        edge.network.rejoin(cut_off)
    wait_for(lambda: not edge.problems(), "one holder again")


@pytest.mark.parametrize("end", ["stopped", "frozen"])
def test_a_site_whose_haproxy_is_away_gives_the_address_up(edge: Edge, end: str) -> None:
    site = holder(edge)
    process = edge.sites[site]
    if end == "stopped":
        process.command({"command": "stop-services", "services": ["haproxy"]}, 60)
    else:
        process.freeze()
    try:
        wait_for(lambda: held_by(edge, other(edge, site)), "the heir's own word")
        outage_s(edge, time.monotonic())
    finally:
        if end == "stopped":
            process.command({"command": "start-services", "services": ["haproxy"]}, 60)
        else:
            process.thaw()
    wait_for(lambda: not edge.problems(), "one holder again")
