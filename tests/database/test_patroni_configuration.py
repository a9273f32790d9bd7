"""What Patroni is told, where a wrong word would lose data or fill a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from architecture import load_design
from reference_stack.addresses import plan
from reference_stack.database.patroni import CLOUD_SLOT, HOSPITAL_SLOT, configuration

SECRETS = {"superuser": "a", "replication": "b", "rewind": "c"}


def dynamic(design_name: str, site: str) -> dict[str, Any]:
    design = load_design(design_name)
    document = configuration(
        design, site, addresses=plan(tuple(design.sites), 0), secrets=SECRETS,
        folder=Path("/site"), binaries=Path("/bin"),
    )  # fmt: skip
    found: dict[str, Any] = document["bootstrap"]["dcs"]
    return found


def test_each_cluster_keeps_a_slot_for_the_other_while_it_is_primary_and_no_more_than_2_gb() -> (
    None
):
    kept = {"type": "physical", "cluster_type": "primary"}
    hospital, cloud = dynamic("local", "mac-1"), dynamic("local", "gcp")
    assert hospital["slots"] == {CLOUD_SLOT: kept}
    assert cloud["slots"] == {HOSPITAL_SLOT: kept}
    assert cloud["standby_cluster"]["primary_slot_name"] == CLOUD_SLOT
    for cluster in (hospital, cloud):
        assert cluster["postgresql"]["parameters"]["max_slot_wal_keep_size"] == "2GB"


@pytest.mark.parametrize(
    ("name", "mode", "strict"),
    [
        ("local", True, False),
        ("synchronous-strict", True, True),
        ("asynchronous", False, False),
    ],
)
def test_the_mode_of_replication_is_the_designs(name: str, mode: bool, strict: bool) -> None:
    told = dynamic(name, "mac-2")
    assert told["synchronous_mode"] is mode
    assert told["synchronous_mode_strict"] is strict


def test_only_an_asynchronous_standby_is_refused_for_a_megabyte_it_lacks() -> None:
    assert dynamic("asynchronous", "mac-1")["maximum_lag_on_failover"] == 2**20
    assert dynamic("local", "mac-1")["maximum_lag_on_failover"] == 2**30
