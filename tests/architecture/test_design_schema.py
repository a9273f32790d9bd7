"""The published JSON Schema is that of the code, and the shipped designs obey it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from architecture import design_names
from architecture.loading import design_tree
from architecture.schema import json_schema, published_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "design.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == published_schema()
    assert json.loads(published_schema()) == json_schema()


@pytest.mark.parametrize("name", design_names())
def test_a_shipped_design_obeys_the_schema(validator: Draft202012Validator, name: str) -> None:
    assert [error.message for error in validator.iter_errors(design_tree(name))] == []


@pytest.mark.parametrize(
    "override",
    ["database.lease.ttl_s=19", "database.lease.tll_s=30", "edge.routing=random", "title=null",
     "workload.demands.chat.cpu_s.kind=weibull", "objectives=[]", "links.0.bandwidth_bit_s=0"],
)  # fmt: skip
def test_the_schema_refuses_what_a_single_key_may_not_hold(
    validator: Draft202012Validator, override: str
) -> None:
    assert not validator.is_valid(design_tree("dual-m3-ultra", [override]))
