"""What a design file cannot say is refused, with the file, the key and what is allowed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from architecture import InputError, design_names, load_design
from architecture.replication import Lease
from architecture.values import Range


def refused(*overrides: str, design: str = "dual-m3-ultra") -> InputError:
    with pytest.raises(InputError) as caught:
        load_design(design, overrides)
    return caught.value


def refused_file(tmp_path: Path, text: str) -> InputError:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_design(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_an_unknown_key_is_refused_with_the_keys_there_are() -> None:
    error = refused("database.lease.tll_s=30")
    assert error.key == "database.lease.tll_s"
    assert error.allowed == "ttl_s, loop_wait_s, retry_timeout_s"


def test_the_keys_allowed_in_a_distribution_are_those_of_its_kind() -> None:
    error = refused("workload.demands.lookup.cpu_s.std=1")
    assert error.key == "workload.demands.lookup.cpu_s.std"
    assert error.allowed == "kind, mean, cv"


def test_an_unknown_kind_of_distribution_is_refused_with_the_kinds_there_are() -> None:
    error = refused("workload.demands.lookup.cpu_s.kind=weibull")
    assert error.key == "workload.demands.lookup.cpu_s"
    assert "lognormal" in error.allowed


def test_a_distribution_without_a_kind_is_refused_with_the_kinds_there_are() -> None:
    error = refused("workload.demands.lookup.cpu_s.kind=null")
    assert "empirical" in error.allowed


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "extends: dual-m3-ultra\nname: mine\nedge:\n  tls: true\n  tls: false\n"
    assert "line 5: key 'tls' is given twice" in refused_file(tmp_path, text).message


def test_a_key_that_is_not_a_word_is_refused(tmp_path: Path) -> None:
    assert "plain word" in refused_file(tmp_path, "? [a, b]\n: 1\n").message


def test_a_missing_key_is_named() -> None:
    error = refused("inference.max_batch=null")
    assert (error.key, error.message) == ("inference.max_batch", "is required")


def test_several_problems_are_counted_and_the_first_is_told() -> None:
    error = refused("sites.spare.title=A third node")
    assert error.key == "sites.spare.location"
    assert "3 more problem(s)" in error.message


def test_a_lease_that_cannot_be_renewed_in_time_is_refused_with_the_arithmetic() -> None:
    error = refused("database.lease.loop_wait_s=20")
    assert error.key == "database.lease"
    assert "20 + 2·5 = 30 > 20" in error.message


@pytest.mark.parametrize(
    ("key", "value"), [("ttl_s", 19), ("loop_wait_s", 0), ("retry_timeout_s", 2)]
)
def test_a_lease_below_what_patroni_accepts_is_refused(key: str, value: int) -> None:
    assert refused(f"database.lease.{key}={value}").key == f"database.lease.{key}"


@settings(derandomize=True)
@given(st.integers(0, 80), st.integers(-1, 40), st.integers(-1, 40))
def test_a_lease_is_accepted_exactly_when_patroni_would_use_it(
    ttl_s: int, loop_wait_s: int, retry_timeout_s: int
) -> None:
    usable = (
        ttl_s >= 20
        and loop_wait_s >= 1
        and retry_timeout_s >= 3
        and loop_wait_s + 2 * retry_timeout_s <= ttl_s
    )
    try:
        Lease(ttl_s=ttl_s, loop_wait_s=loop_wait_s, retry_timeout_s=retry_timeout_s)
    except ValidationError:
        assert not usable
    else:
        assert usable


any_float = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-3, 3).map(float)


@settings(derandomize=True)
@given(any_float, any_float, any_float)
def test_a_range_is_ordered_and_finite_or_refused(low: float, typical: float, high: float) -> None:
    ordered = 0 <= low <= typical <= high < math.inf
    try:
        figures = Range(low=low, typical=typical, high=high, source="a test")
    except ValidationError:
        assert not ordered
    else:
        assert ordered
        assert (figures.at("low"), figures.at("typical"), figures.at("high")) == (
            low, typical, high,
        )  # fmt: skip


def test_a_range_without_a_source_is_refused() -> None:
    assert refused("links.0.round_trip_s.source=null").key == "links.0.round_trip_s.source"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("database.sites=[mac-1, mac-3]", "database.sites"),
        ("database.consensus.voters=[mac-1, mac-9]", "database.consensus.voters"),
        ("database.consensus.preferred_leader=cloud", "database.consensus.preferred_leader"),
        ("database.cloud_standby.site=aws", "database.cloud_standby.site"),
        ("cache.sentinels=[mac-1, here]", "cache.sentinels"),
        ("documents.sites=[nas]", "documents.sites"),
        ("emergency.site=azure", "emergency.site"),
        ("companions.face-login.sites=[mac-3]", "companions.face-login.sites"),
    ],
)
def test_a_site_that_does_not_exist_is_refused_with_the_sites_there_are(
    override: str, key: str
) -> None:
    error = refused(override)
    assert error.key == key
    assert error.allowed == "mac-1, mac-2, edge, edge-2, gcp"


def test_a_site_that_does_not_run_the_service_is_refused_with_those_that_do() -> None:
    error = refused("cache.sites=[edge]")
    assert "'edge' does not run the service 'cache'" in error.message
    assert error.allowed == "mac-1, mac-2"


def test_a_link_to_nowhere_is_refused() -> None:
    error = refused("links.1.between=[mac-1, moon]")
    assert error.key == "links.1.between"
    assert "hospital" in error.allowed


def test_hardware_that_is_not_in_the_catalogue_is_refused_with_the_names_there_are() -> None:
    error = refused("sites.mac-2.hardware=mac-studio-m9")
    assert error.key == "sites.mac-2.hardware"
    assert "mac-studio-m3-ultra" in error.allowed


@pytest.mark.parametrize("key", ["inference.model", "companions.face-login.model"])
def test_a_model_that_is_not_in_the_catalogue_is_refused(key: str) -> None:
    error = refused(f"{key}=gpt-5")
    assert error.key == key
    assert "medgemma-4b-4bit" in error.allowed


def test_an_objective_id_used_twice_is_refused() -> None:
    error = refused("objectives.1.id=B-20.primary.rto-write")
    assert error.key == "objectives.1.id"


@pytest.mark.parametrize(
    "objective",
    [
        "{id: B-20.x, title: two bounds, metric: availability, at_most: 1, at_least: 1}",
        "{id: B-20.x, title: no bound, metric: availability}",
        "{id: B-20.x, title: no fault, metric: rto_s, at_most: 30}",
        "{id: B-20.x, title: no quantile, metric: latency_s, operation: chat, at_most: 1}",
        "{id: twenty, title: no id, metric: availability, at_least: 1}",
    ],
)
def test_an_objective_that_cannot_be_judged_is_refused(objective: str) -> None:
    assert refused(f"objectives=[{objective}]").key.startswith("objectives.0")


def test_a_replicated_database_needs_a_lease_and_a_second_site() -> None:
    assert "lease" in refused("database.lease=null").message
    assert "two sites" in refused("database.sites=[mac-1]").message


def test_a_managed_database_does_not_replicate_by_itself_twice() -> None:
    error = refused("database.replication=synchronous", design="mac-mini-cluster")
    assert error.key == "database"


def test_a_node_count_outside_its_autoscaling_is_refused() -> None:
    error = refused("sites.gcp.count=11", design="mac-mini-cluster")
    assert "1, 11, 10" in error.message


def test_journeys_need_the_demands_of_their_requests() -> None:
    assert "chat" in refused("workload.demands.chat=null").message


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, ""])
def test_a_design_that_does_not_exist_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(InputError, match=", ".join(design_names())):
        load_design(name)


@pytest.mark.parametrize("name", ["nowhere.yaml", "x" * 5000 + ".yaml", "\0.yaml"])
def test_a_file_that_does_not_exist_is_refused_by_its_own_name(name: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        load_design(name)
    assert caught.value.where == name


def test_a_folder_in_place_of_a_file_is_told_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match=r"folder\.yaml: cannot be read: Is a directory"):
        load_design(tmp_path / "folder.yaml")


def test_an_unknown_parent_is_told_with_the_file_and_key_that_name_it(tmp_path: Path) -> None:
    path = tmp_path / "child.yaml"
    path.write_text("extends: nosuch\nname: child\n")
    with pytest.raises(InputError, match="there is no design 'nosuch'") as caught:
        load_design(path)
    assert (caught.value.where, caught.value.key) == (str(path), "extends")
    assert "dual-m3-ultra" in caught.value.allowed


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1", "!!python/name:os.system", "x: !!bool y\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    refused_file(tmp_path, text)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read: byte 0 is not UTF-8 text"):
        load_design(path)
