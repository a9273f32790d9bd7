"""Networks as users simulate them."""

from __future__ import annotations

import gc
import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from architecture.station_network import StationNetwork, load_network
from cli.network import run_network_command
from evidence import load_run
from simulator.network import (
    NetworkTask,
    automatic_warmup_s,
    build,
    offered_load,
    simulate_network,
)
from simulator.theory import OpenStation, jackson


def network(stations: dict[str, Any], classes: dict[str, Any], **more: Any) -> StationNetwork:
    tree = {
        "kind": "station-network", "name": "tried", "run": {"duration_s": 100, "warmup_s": 0},
        "stations": stations, "classes": classes, **more,
    }  # fmt: skip
    return StationNetwork.model_validate(tree)


def constant(value: float) -> dict[str, Any]:
    return {"kind": "constant", "value": value}


def listed(*times_s: float) -> dict[str, Any]:
    return {"kind": "listed", "times_s": list(times_s)}


def test_a_three_station_file_gives_jacksons_answer() -> None:
    """At 99.9 % each: four claims, so at most 0.4 % of seeds fail; the seed is fixed."""
    result = simulate_network(
        load_network("three-stations"), seed=3, replications=24, confidence=0.999
    )
    answer = jackson(
        {
            "reception": OpenStation(25, 2, 0.05), "consultation": OpenStation(300, 16),
            "pharmacy": OpenStation(40),
        },
        {
            "reception": {"consultation": 0.8},
            "consultation": {"consultation": 0.1, "pharmacy": 0.45},
        },
    )  # fmt: skip
    assert result.estimates["journeys.patients.latency_s.mean"].covers(answer.latency_s)
    for name, station in answer.stations.items():
        assert result.estimates[f"stations.{name}.utilisation"].covers(station.utilisation)
        assert result.offered_load[name] == pytest.approx(station.utilisation)
    assert result.bottleneck == "consultation"


def test_same_seed_gives_the_same_bytes() -> None:
    system = load_network("call-centre", ["run.duration_s=9000"])
    first, second, other = (
        json.dumps(simulate_network(system, seed=seed, replications=4).document())
        for seed in (4, 4, 5)
    )
    assert first == second
    assert first != other


def test_a_replication_can_be_made_elsewhere() -> None:
    task = NetworkTask(load_network("closed-ward"), 100, 10)
    elsewhere = pickle.loads(pickle.dumps(task))  # noqa: S301
    assert repr(elsewhere(2, 7)) == repr(task(2, 7))


def test_two_customers_by_hand() -> None:
    """Two customers before one desk: the second waits for the first, then both go to the lab."""
    classes = {
        "all": {
            "arrivals": listed(1.0, 2.0),
            "starts_at": {"desk": 1},
            "routing": {"desk": {"lab": 1}},
        }
    }
    stations = {
        "desk": {"service_s": constant(3.0)},
        "lab": {"discipline": "delay", "service_s": constant(10.0)},
    }
    found = NetworkTask(network(stations, classes), 100, 0)(1, 0)
    assert found["journeys.all.latency_s.mean"] == pytest.approx((13 + 15) / 2)
    assert found["stations.desk.wait_s"] == pytest.approx(1.0)
    assert found["stations.desk.utilisation"] == pytest.approx(0.06)
    assert found["stations.lab.utilisation"] == pytest.approx(0.2)


def test_who_is_out_of_time_leaves_the_queue_or_goes_no_further() -> None:
    classes = {
        "all": {
            "arrivals": listed(0.0, 0.0, 0.0), "timeout_s": 5,
            "starts_at": {"desk": 1}, "routing": {"desk": {"lab": 1}},
        }
    }  # fmt: skip
    stations = {
        "desk": {"service_s": constant(3.0)},
        "lab": {"discipline": "delay", "service_s": constant(1.0)},
    }
    found = NetworkTask(network(stations, classes), 100, 0)(1, 0)
    # The first is through at 4 s; the second's service ends at 6 s, too late; the third waits in
    # vain until 5 s.
    assert found["journeys.all.outcomes.completed"] == pytest.approx(1 / 3)
    assert found["journeys.all.outcomes.timed_out"] == pytest.approx(2 / 3)
    assert found["journeys.all.latency_s.mean"] == pytest.approx(4.0)


def test_the_timetable_pauses_crashes_and_adds_servers() -> None:
    classes = {"all": {"arrivals": listed(0, 0, 0, 0, 50), "starts_at": {"desk": 1}}}
    stations = {"desk": {"service_s": constant(10.0)}}
    timetable = [
        {"at_s": 5, "station": "desk", "action": "pause"},
        {"at_s": 8, "station": "desk", "action": "resume"},
        {"at_s": 13, "station": "desk", "action": "set-servers", "servers": 2},
        {"at_s": 20, "station": "desk", "action": "crash"},
        {"at_s": 30, "station": "desk", "action": "resume"},
    ]
    found = NetworkTask(network(stations, classes, timetable=timetable), 100, 0)(1, 0)
    # The first takes 13 s; then two are served at a time until the crash loses all three.
    assert found["journeys.all.outcomes.lost"] == pytest.approx(3 / 5)
    assert found["journeys.all.latency_s.mean"] == pytest.approx((13 + 10) / 2)


@pytest.mark.parametrize("discipline", ["fifo", "batch"])
def test_a_server_too_many_goes_when_its_service_is_over(discipline: str) -> None:
    classes = {"all": {"arrivals": listed(0, 0, 0, 0), "starts_at": {"desk": 1}}}
    desk = {"discipline": discipline, "servers": 2, "service_s": constant(10.0)}
    if discipline == "batch":
        desk["batch_size"] = 1
    fewer = [{"at_s": 5, "station": "desk", "action": "set-servers", "servers": 1}]
    found = NetworkTask(network({"desk": desk}, classes, timetable=fewer), 100, 0)(1, 0)
    assert found["journeys.all.latency_s.mean"] == pytest.approx((10 + 10 + 20 + 30) / 4)


def test_only_a_higher_rank_interrupts_and_interrupted_work_is_resumed() -> None:
    classes = {
        "routine": {"arrivals": listed(0, 1), "priority": 1, "starts_at": {"desk": 1}},
        "urgent": {"arrivals": listed(4), "priority": 0, "starts_at": {"desk": 1}},
    }
    desk = {"discipline": "priority-preemptive", "service_s": constant(10.0)}
    found = NetworkTask(network({"desk": desk}, classes), 100, 0)(1, 0)
    # The first routine customer is served from 0 to 4 s and from 14 to 20 s, the second until 30 s.
    assert found["journeys.urgent.latency_s.mean"] == pytest.approx(10)
    assert found["journeys.routine.latency_s.mean"] == pytest.approx((20 + 29) / 2)
    assert found["stations.desk.utilisation"] == pytest.approx(0.3)


def test_groups_arrive_together() -> None:
    classes = {
        "all": {"arrivals": listed(1, 2), "group_size": constant(3), "starts_at": {"desk": 1}}
    }
    found = NetworkTask(network({"desk": {"service_s": constant(0.1)}}, classes), 10, 0)(1, 0)
    assert found["journeys.all.latency_s.count"] == 6
    assert found["journeys.all.latency_s.mean"] == pytest.approx(0.2)


def test_a_profile_brings_the_customers_it_promises() -> None:
    """Poisson counts over 200 periods within 4 standard deviations: 1 seed in 16,000 fails."""
    rates = [0.0, 2.0, 0.5]
    classes = {
        "all": {
            "arrivals": {"kind": "profile", "step_s": 10, "rates_per_s": rates},
            "starts_at": {"desk": 1},
        }
    }
    stations = {"desk": {"discipline": "delay", "service_s": constant(0.001)}}
    found = NetworkTask(network(stations, classes), 6000, 0)(1, 0)
    expected = 200 * 10 * sum(rates)
    assert abs(found["journeys.all.latency_s.count"] - expected) < 4 * np.sqrt(expected)


def test_closed_customers_think_again_when_they_are_turned_away() -> None:
    """Engset's loss: busy 5/6 of the time. Four standard deviations; the seed is fixed."""
    exponential = {"kind": "exponential", "mean": 1}
    classes = {"all": {"population": 5, "think_s": exponential, "starts_at": {"desk": 1}}}
    stations = {"desk": {"capacity": 1, "service_s": exponential}}
    found = NetworkTask(network(stations, classes), 4000, 10)(1, 0)
    assert found["stations.desk.utilisation"] == pytest.approx(5 / 6, abs=0.02)
    assert found["journeys.all.throughput_per_s"] == pytest.approx(5 / 6, abs=0.04)


def test_overload_is_said() -> None:
    system = load_network("three-stations", ["stations.pharmacy.service_s.mean=60"])
    result = simulate_network(system, replications=2)
    assert offered_load(system)["pharmacy"] == pytest.approx(1.2)
    assert any("pharmacy is offered 1.2 times" in note for note in result.notes)
    assert result.bottleneck == "pharmacy"


def test_warm_up_is_found_where_there_is_a_steady_state_only() -> None:
    steady = load_network("three-stations", ["run.duration_s=20000"])
    warmup_s, settled = automatic_warmup_s(steady, seed=1, duration_s=20000)
    # It takes more than one visit to the doctor, and settles within half of the run.
    assert 300 < warmup_s < 10000
    assert settled
    assert automatic_warmup_s(load_network("call-centre"), seed=1, duration_s=28800) == (0.0, True)


def test_percentiles_without_enough_values_are_left_out_with_a_note() -> None:
    system = load_network("three-stations", ["run.duration_s=8000", "run.warmup_s=800"])
    document = simulate_network(system, replications=3).document()
    latency = document["journeys"]["patients"]["latency_s"]
    assert latency["p95"] is not None
    assert latency["p999"] is None
    assert "journeys.patients.latency_s.p999" in document["notes"][0]


def test_memory_does_not_grow_with_the_simulated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "KEPT", 2_000)
    classes = {"all": {"arrivals": {"kind": "poisson", "rate_per_s": 1}, "starts_at": {"desk": 1}}}
    system = network({"desk": {"service_s": {"kind": "exponential", "mean": 0.5}}}, classes)
    peaks = []
    for duration_s in (12_000, 48_000):
        gc.collect()
        tracemalloc.start()
        NetworkTask(system, duration_s, 0)(1, 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Four times the time; when cyclic garbage is collected depends on what else the process holds.
    assert peaks[1] < 1.5 * peaks[0]


def test_the_command_prints_one_document_and_records_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_network_command("call-centre", replications=3, runs=tmp_path, json=True)
    document = json.loads(capsys.readouterr().out)
    assert set(document["journeys"]) == {"routine", "urgent"}
    desk = document["stations"]["desk"]
    for measure in ("utilisation", "wait_s", "queue_length"):
        assert set(desk[measure]) == {"estimate", "lower", "upper", "confidence", "n"}
    assert document["bottleneck"] == "desk"
    run = load_run(tmp_path / document["run"])
    assert run.record.kind == "network-simulation"
    assert len(run.table("replications")) == 3
