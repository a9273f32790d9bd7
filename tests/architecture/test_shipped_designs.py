"""The designs that come with the testbed say what the documents say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import architecture
from architecture import Design, design_names, load_design
from architecture.catalogue import hardware, model, performance, transcription
from architecture.requirements import requirement


@pytest.fixture(scope="module")
def pair() -> Design:
    return load_design("dual-m3-ultra")


@pytest.fixture(scope="module")
def cluster() -> Design:
    return load_design("mac-mini-cluster")


DESIGNS = Path(architecture.__file__).parent / "designs"
VARIANTS = {
    "asynchronous": "D-02", "balancer-rise-2": "D-03", "literal-failover": "D-03",
    "patroni-defaults": "D-03", "rsync-documents": "D-04", "single-balancer": "D-09",
    "synchronous-strict": "D-02", "two-member-etcd": "D-01",
}  # fmt: skip


def test_the_three_designs_and_the_documents_own_variants_are_there() -> None:
    designs = {"dual-m3-ultra", "local", "mac-mini-cluster"}
    assert set(design_names()) == designs | VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_names_its_doubt_and_runs_on_this_machine_in_a_few_lines(name: str) -> None:
    design = load_design(name)
    assert VARIANTS[name] in design.title + design.description
    assert list(design.sites) == list(load_design("local").sites)
    lines = (DESIGNS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(settings) <= 16


def test_the_pair_promises_every_recovery_objective_of_b20(pair: Design) -> None:
    bounds = {
        (o.fault, o.metric, o.operation): o.at_most
        for o in pair.objectives
        if o.requirement == "B-20"
    }
    assert bounds == {
        ("primary-power-loss", "rto_s", "write"): 30,
        ("primary-power-loss", "rto_s", "read"): 30,
        ("primary-power-loss", "rpo_s", None): 0,
        ("primary-power-loss", "lost_writes", None): 0,
        ("standby-power-loss", "rpo_s", None): 0,
        ("standby-power-loss", "lost_writes", None): 0,
        ("both-power-loss", "rto_s", "write"): 5 * 60,
        ("both-power-loss", "rto_s", "read"): 5 * 60,
        ("both-power-loss", "rpo_s", None): 60,
        ("site-loss", "rto_s", "write"): 2 * 3600,
        ("site-loss", "rto_s", "read"): 2 * 3600,
        ("site-loss", "rpo_s", None): 5 * 60,
    }


def test_the_pair_promises_uptime_replication_lag_and_response_time(pair: Design) -> None:
    assert pair.objective("B-01.availability").at_least == 0.999
    assert pair.objective("B-09.lag").at_most == 0.1
    assert pair.objective("B-17.lookup-p95").at_most == 0.1
    assert pair.objective("B-13.rto-chat").at_most == 30


def test_the_pair_checks_health_as_b04_says(pair: Design) -> None:
    check = pair.edge.api_check
    assert (check.interval_s, check.timeout_s, check.fall) == (5, 2, 3)
    assert pair.failover is not None
    assert pair.failover.promised_s == 30


def test_the_pairs_quorum_survives_any_one_of_its_voters(pair: Design) -> None:
    assert pair.database.consensus is not None
    assert len(pair.database.consensus.voters) - 1 >= pair.database.consensus.quorum


def test_the_emergency_is_reduced_as_b14_and_b17_say(pair: Design) -> None:
    emergency = pair.emergency
    assert emergency is not None
    assert (emergency.users, pair.workload.users) == (50, 200)
    assert emergency.functions_share == 0.25
    assert emergency.response_s == (0.2, 0.5)
    assert emergency.recovery_h == (2, 4)
    assert (emergency.login, emergency.voice, emergency.records) == (
        "password", "limited", "emergency",
    )  # fmt: skip


def test_the_drills_are_those_of_b19(pair: Design) -> None:
    drills = [
        (d.every, round(d.duration_h * 60), d.promised_downtime_s) for d in pair.drills.values()
    ]
    assert drills == [
        ("day", 5, 0), ("week", 30, 30), ("month", 120, 300), ("quarter", 240, None),
        ("year", 480, None),
    ]  # fmt: skip


def test_the_alerts_wait_as_long_as_b18_says(pair: Design) -> None:
    assert {name: alert.for_s for name, alert in pair.alerts.items()} == {
        "MacStudioDown": 30, "DatabaseReplicationLag": 60, "GCPFallbackActivated": 0,
        "HAClusterDegraded": 60,
    }  # fmt: skip


def test_losing_any_worker_of_the_cluster_stops_a_service_that_no_other_site_runs(
    cluster: Design,
) -> None:
    for name, site in cluster.sites.items():
        if site.role == "worker":
            assert any(cluster.sites_with(service) == (name,) for service in site.services)


def test_the_clusters_control_plane_and_balancer_are_single(cluster: Design) -> None:
    assert len(cluster.sites_with("balancer")) == 1
    assert len(cluster.sites_with("control-plane")) == 1


def test_the_clusters_cloud_grows_from_one_to_ten_nodes(cluster: Design) -> None:
    gcp = cluster.sites["gcp"]
    assert gcp.autoscaling is not None
    assert (gcp.autoscaling.min_nodes, gcp.count, gcp.autoscaling.max_nodes) == (1, 3, 10)


def test_the_clusters_database_is_managed_with_a_standby_in_another_zone(cluster: Design) -> None:
    assert cluster.database.managed is not None
    assert cluster.database.managed.availability == "regional"
    assert cluster.database.managed.automated_backups


def test_the_clusters_language_model_keeps_to_its_4k_tokens(cluster: Design) -> None:
    inference = cluster.inference
    assert inference.max_prompt_tokens + inference.max_answer_tokens == 4096


@pytest.mark.parametrize(
    ("companion", "requirement_id"), [("speech-to-text", "A-08"), ("text-to-speech", "A-10")]
)
def test_the_clusters_promised_latencies_are_the_documents(
    cluster: Design, companion: str, requirement_id: str
) -> None:
    promised = re.search(r"latency < (\d+) ms", requirement(requirement_id).text)
    assert promised is not None
    assert cluster.companions[companion].promised_latency_s == int(promised[1]) / 1000


def test_the_clusters_storage_is_four_disks_of_two_terabytes(cluster: Design) -> None:
    assert cluster.storage is not None
    assert (cluster.storage.devices, cluster.storage.device_bytes) == (4, 2 * 10**12)


def test_both_designs_are_asked_to_serve_the_same_clinicians(pair: Design, cluster: Design) -> None:
    assert cluster.workload.journeys == pair.workload.journeys
    assert cluster.workload.users == pair.workload.users


@pytest.mark.parametrize("name", design_names())
def test_the_language_model_has_a_speed_on_each_machine_that_runs_it(name: str) -> None:
    design = load_design(name)
    for site in design.sites_with("inference"):
        assert performance(design.inference.model, design.sites[site].hardware) is not None


@pytest.mark.parametrize("name", design_names())
def test_the_speech_model_has_a_speed_on_each_machine_that_runs_it(name: str) -> None:
    design = load_design(name)
    for companion in design.companions.values():
        if model(companion.model).kind == "speech-to-text":
            for site in companion.sites:
                assert transcription(companion.model, design.sites[site].hardware) is not None


@pytest.mark.parametrize("name", ["dual-m3-ultra", "mac-mini-cluster"])
def test_the_models_of_a_machine_fit_its_memory(name: str) -> None:
    design = load_design(name)
    for site_name in design.sites_with("inference"):
        named = [c.model for c in design.companions.values() if site_name in c.sites]
        weights = [model(m).weight_bytes for m in (design.inference.model, *named)]
        memory = hardware(design.sites[site_name].hardware).memory_bytes
        assert memory is not None
        assert sum(figure.high for figure in weights if figure is not None) < memory
