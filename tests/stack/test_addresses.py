"""Stacks on one machine do not fight over addresses, and say who holds a busy one."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from architecture import InputError
from reference_stack.addresses import PORTS, Endpoint, Network, busy, plan, reserved_instance
from reference_stack.errors import PreconditionError

SITES = ("mac-1", "mac-2", "edge", "gcp")


@pytest.mark.parametrize("network", ["namespaces", "addresses", "ports"])
def test_no_two_services_of_any_two_instances_share_an_endpoint(
    network: Network,
) -> None:
    endpoints = [
        plan(SITES, instance).__class__(instance, SITES, network).endpoint(site, name)
        for instance in (0, 1, 99)
        for site in SITES
        for name in PORTS
    ]
    assert len(set(endpoints)) == len(endpoints)
    assert all(endpoint.host.startswith(("127.", "10.77.")) for endpoint in endpoints)
    assert all(1024 < endpoint.port < 65536 for endpoint in endpoints)


def test_an_instance_out_of_range_names_the_option_and_the_range() -> None:
    with pytest.raises(InputError, match=r"--instance: got 100 \(allowed: 0 to 99, or 'auto'\)"):
        plan(SITES, 100)


def test_a_busy_endpoint_is_named_with_its_holder() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        host, port = listener.getsockname()
        (found,) = busy([Endpoint(host, port)])
    assert f"{host}:{port}" in found
    if sys.platform == "linux":
        assert str(os.getpid()) in found


def test_a_free_endpoint_is_not_busy() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
    assert busy([Endpoint(host, port)]) == []


def test_an_instance_is_held_by_one_stack_at_a_time() -> None:
    with reserved_instance(None) as first, reserved_instance(None) as second:
        assert first != second
        with pytest.raises(PreconditionError, match="in use by another stack"):
            reserved_instance(first).__enter__()
    with reserved_instance(first):
        pass
