"""The documents' own variants: designs of a few lines that differ from `local` in one thing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from architecture import load_design
from architecture.requirements import requirement

#: Keys below which each variant may differ from the local design.
VARIANTS = {
    "two-member-etcd": ("database.consensus", "sites.edge.services"),
    "patroni-defaults": ("database.lease", "database.failure_detector"),
    "balancer-rise-2": ("edge.api_check", "edge.database_check", "database.failure_detector"),
    "literal-failover": (
        "edge.api_check", "edge.database_check", "database.lease", "database.failure_detector",
    ),
    "synchronous-strict": ("database.replication",),
    "asynchronous": ("database.replication", "database.commit"),
}  # fmt: skip


def differences(one: Any, other: Any, key: str = "") -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            found
            for name in one.keys() | other.keys()
            for found in differences(one.get(name), other.get(name), f"{key}.{name}".lstrip("."))
        }
    return set() if one == other else {key}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_from_the_local_design_in_nothing_but_its_doubt(name: str) -> None:
    local, variant = load_design("local").model_dump(), load_design(name).model_dump()
    changed = differences(local, variant) - {"name", "title", "description"}
    assert changed
    for key in changed:
        assert key.startswith(VARIANTS[name]), key


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variants_title_names_the_doubt_it_is_about(name: str) -> None:
    found = re.findall(r"D-\d\d", load_design(name).title)
    assert len(found) == 1
    assert requirement(found[0]).text


def test_two_etcd_members_cannot_lose_one() -> None:
    consensus = load_design("two-member-etcd").database.consensus
    assert consensus is not None
    assert len(consensus.voters) - 1 < consensus.quorum


@pytest.mark.parametrize("name", ["patroni-defaults", "literal-failover"])
def test_the_default_lease_is_patronis(name: str) -> None:
    lease = load_design(name).database.lease
    assert lease is not None
    assert (lease.ttl_s, lease.loop_wait_s, lease.retry_timeout_s) == (30, 10, 10)


@pytest.mark.parametrize("name", ["balancer-rise-2", "literal-failover"])
def test_the_literal_checks_are_b04s_and_haproxys_defaults(name: str) -> None:
    check = load_design(name).edge.database_check
    assert (check.interval_s, check.timeout_s, check.fall, check.rise) == (5, 2, 3, 2)
    assert check.transition_interval_s == check.settled_down_interval_s == 5
