"""Inheritance, overrides and the design hash."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from architecture import InputError, design_hash, design_names, load_design, overrides_without
from architecture.loading import design_from_tree, design_tree
from architecture.yaml_files import parse_yaml


def written(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def shuffled(tree: Any, generator: random.Random) -> Any:
    if isinstance(tree, list):
        return [shuffled(item, generator) for item in tree]
    if not isinstance(tree, dict):
        return tree
    keys = list(tree)
    generator.shuffle(keys)
    return {key: shuffled(tree[key], generator) for key in keys}


def test_a_child_keeps_what_it_does_not_mention(tmp_path: Path) -> None:
    path = written(tmp_path, "extends: dual-m3-ultra\nname: mine\ndatabase: {lease: {ttl_s: 30}}\n")
    mine, parent = load_design(path), load_design("dual-m3-ultra")
    assert mine.database.lease is not None
    assert mine.database.lease.ttl_s == 30
    assert mine.database.lease.loop_wait_s == 10
    assert mine.model_dump(exclude={"name", "database"}) == parent.model_dump(
        exclude={"name", "database"}
    )


def test_a_list_replaces_the_inherited_list(tmp_path: Path) -> None:
    path = written(tmp_path, "extends: dual-m3-ultra\nname: mine\nlinks: []\n")
    assert load_design(path).links == ()


def test_null_takes_an_inherited_key_away(tmp_path: Path) -> None:
    path = written(tmp_path, "extends: dual-m3-ultra\nname: mine\ncache: null\n")
    assert load_design(path).cache is None


def test_another_kind_of_distribution_replaces_the_inherited_one_as_a_whole(tmp_path: Path) -> None:
    text = """\
extends: dual-m3-ultra
name: mine
workload: {demands: {lookup: {cpu_s: {kind: constant, value: 0.002}}}}
"""
    demand = load_design(written(tmp_path, text)).workload.demands["lookup"]
    assert demand.cpu_s.model_dump() == {"kind": "constant", "value": 0.002}
    assert demand.database_s.kind == "gamma"


def test_a_grandchild_inherits_through_its_parent(tmp_path: Path) -> None:
    written(tmp_path, "extends: dual-m3-ultra\nname: parent\nworkload: {users: 300}\n", "p.yaml")
    path = written(tmp_path, "extends: p.yaml\nname: child\nedge: {routing: roundrobin}\n")
    child = load_design(path)
    assert (child.workload.users, child.edge.routing) == (300, "roundrobin")


@pytest.mark.parametrize("parent", ["mine.yaml", "./mine.yaml", "sub/../mine.yaml"])
def test_a_design_that_extends_itself_is_refused(tmp_path: Path, parent: str) -> None:
    (tmp_path / "sub").mkdir()
    path = written(tmp_path, f"extends: {parent}\nname: mine\n")
    with pytest.raises(InputError, match="extends itself"):
        load_design(path)


@pytest.mark.parametrize("parent", ["7", "[a]", "nobody", "x.yaml", '"\\0"', "y" * 5000])
def test_an_impossible_parent_is_refused(tmp_path: Path, parent: str) -> None:
    with pytest.raises(InputError):
        load_design(written(tmp_path, f"extends: {parent}\nname: mine\n"))


def test_local_runs_design_b_with_its_detection_lease_and_replication() -> None:
    local, parent = load_design("local"), load_design("dual-m3-ultra")
    assert local.edge == parent.edge
    assert local.database == parent.database
    assert local.objectives == parent.objectives


def test_overrides_set_values_list_places_and_whole_sections() -> None:
    design = load_design(
        "dual-m3-ultra",
        [
            "workload.users=50",
            "workload.journeys.ward-round.steps.3.probability=0.25",
            "edge.api_check={interval_s: 2, timeout_s: 1, fall: 2, rise: 1}",
            "companions=null",
            "database.commit=on",
            "links.0.bandwidth_bit_s=1e9",
        ],
    )
    assert design.workload.users == 50
    assert design.workload.journeys["ward-round"].steps[3].probability == 0.25
    assert design.edge.api_check.fast_interval_s is None
    assert design.companions == {}
    assert design.database.commit == "on"
    assert design.links[0].bandwidth_bit_s == 1e9


def test_a_service_can_be_taken_from_every_site() -> None:
    overrides = overrides_without("patroni-defaults", "inference", "monitoring")
    design = load_design("patroni-defaults", overrides)
    before = load_design("patroni-defaults")
    for name, site in before.sites.items():
        kept = [s for s in site.services if s not in {"inference", "monitoring"}]
        assert list(design.sites[name].services) == kept
    assert design.database.lease == before.database.lease


def test_an_override_leaves_the_shipped_design_as_it_was() -> None:
    before = design_hash(load_design("local"))
    load_design("local", ["workload.users=3"])
    assert design_hash(load_design("local")) == before


@pytest.mark.parametrize(
    "override",
    ["users", "=3", "workload.users.many=3", "links.7.title=x", "links.-1.title=x", "links.x=1",
     "links." + "9" * 5000 + "=1", "name=[", "title.0.x=1", "links.0=3", "a..b=1",
     "left_out.\udcff=no text"],
)  # fmt: skip
def test_an_override_that_leads_nowhere_is_refused(override: str) -> None:
    with pytest.raises(InputError):
        load_design("dual-m3-ultra", [override])


def test_a_wrong_value_from_an_override_names_the_option_and_not_the_file() -> None:
    with pytest.raises(InputError) as caught:
        load_design("dual-m3-ultra", ["workload.users=none", "workload.ramp_s=5"])
    assert (caught.value.where, caught.value.key) == ("--set", "workload.users")


def test_a_wrong_value_from_the_file_names_the_file_in_spite_of_an_override(tmp_path: Path) -> None:
    path = written(tmp_path, "extends: dual-m3-ultra\nname: mine\nedge: {routing: 9}\n")
    with pytest.raises(InputError) as caught:
        load_design(path, ["workload.users=7"])
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", design_names())
def test_the_hash_does_not_depend_on_the_order_of_keys(name: str, tmp_path: Path) -> None:
    expected = design_hash(load_design(name))
    for seed in range(2):
        tree = shuffled(design_tree(name), random.Random(seed))
        path = written(tmp_path, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
        assert design_hash(load_design(path)) == expected


def test_the_hash_changes_with_any_value() -> None:
    hashes = {
        design_hash(load_design("dual-m3-ultra", overrides))
        for overrides in ([], ["workload.users=201"], ["database.lease.ttl_s=21"], ["cache=null"])
    }
    assert len(hashes) == 4


def test_the_hash_of_a_design_is_that_of_its_own_document() -> None:
    design = load_design("local")
    again = design_from_tree(design.model_dump(mode="json"), where="document")
    assert design_hash(again) == design_hash(design)


@pytest.mark.parametrize(
    ("text", "value"),
    [("10e9", 10e9), ("1.2e9", 1.2e9), ("1e-3", 0.001), ("-2E+2", -200.0), ("on", "on"),
     ("no", "no"), ("true", True), ("false", False), ("12", 12), ("e9", "e9"), ("1e", "1e")],
)  # fmt: skip
def test_yaml_reads_numbers_and_words_as_people_write_them(text: str, value: object) -> None:
    assert parse_yaml(text, where="a test") == value
    assert type(parse_yaml(text, where="a test")) is type(value)
