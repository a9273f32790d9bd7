"""Closed-form worst cases are never exceeded by the simulation, and are reached within 5 %."""

from __future__ import annotations

import math

import pytest

from simulator.failover import failover_bound_s, faults_of, resolve, term_bounds_s
from tests.failover.worst_cases import (
    REQUESTS,
    TERMS,
    VARIANTS,
    courses,
    longest_outage_s,
    variant,
)

pytestmark = pytest.mark.long

REACHED = 0.95
#: So many of the worst courses are followed with clients.
FOLLOWED = 4


@pytest.mark.parametrize("name", VARIANTS)
def test_each_terms_bound_holds_and_is_reached(name: str) -> None:
    design = variant(name)
    for fault in faults_of(design):
        bounds = term_bounds_s(design, resolve(design, fault))
        times = [course.terms for course in courses(name, fault)]
        for term in TERMS:
            bound_s, longest_s = getattr(bounds, term), max(getattr(t, term) for t in times)
            assert longest_s <= bound_s + 1e-9, (fault, term)
            if not math.isinf(bound_s):
                assert longest_s >= REACHED * bound_s, (fault, term)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_outages_bound_holds_and_is_reached(name: str) -> None:
    """For clients that first try at any moment of it."""
    design = variant(name)
    for fault in faults_of(design):
        bounds = failover_bound_s(design, [fault], design.database.sites[0])[fault]
        found = courses(name, fault)
        for operation in REQUESTS:
            worst = sorted(found, key=lambda c: (c.writes_s, c.reads_s, c.api_s, c.chat_s))
            by_way = sorted(found, key=lambda c: (c.api_s, c.chat_s, c.takeover_s))
            followed = [*worst[-FOLLOWED:], *by_way[-FOLLOWED:]]
            longest_s = max(longest_outage_s(design, fault, c, operation) for c in followed)
            assert longest_s <= bounds[operation] + 1e-9, (fault, operation)
            if not math.isinf(bounds[operation]):
                assert longest_s >= REACHED * bounds[operation], (fault, operation)
            elif operation != "chat":
                assert math.isinf(longest_s), (fault, operation)


@pytest.mark.parametrize("name", ["tuned", "literal", "single-balancer"])
def test_the_outages_bound_is_not_exceeded_by_random_faults(name: str) -> None:
    design = variant(name)
    for fault in faults_of(design):
        bounds = failover_bound_s(design, [fault], design.database.sites[0])[fault]
        for course in courses(name, fault)[:60]:
            for operation in REQUESTS:
                longest_s = longest_outage_s(design, fault, course, operation, clients=200)
                assert longest_s <= bounds[operation] + 1e-9, (fault, operation)
