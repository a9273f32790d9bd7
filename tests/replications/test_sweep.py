"""Sweeps: the points, what they are refused for, common random numbers, records."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import pytest

from architecture import InputError, load_design
from evidence import load_run
from simulator.availability import UptimeModel
from simulator.hospital import Scenario
from simulator.replications import replicate
from simulator.sensitivity import uncertain_inputs
from simulator.sweep import (
    AvailabilityTarget,
    CapacityTarget,
    FailoverTarget,
    FunctionTarget,
    Levels,
    PointResult,
    Span,
    SweepResult,
    Work,
    compare,
    compare_with_base,
    grid,
    parse_vary,
    points,
    record_sweep,
    sobol,
    sweep,
    whole_numbers,
)
from simulator.sweep.availability import metrics_of
from tests.replications.tasks import batching

BATCHING = FunctionTarget(batching)
ALONE = Work(seed=3, replications=20, jobs=1)


@pytest.mark.parametrize(
    ("item", "values"),
    [
        ("inference.max_batch=4,8,16", (4, 8, 16)),
        ("workload.users=50:200:50", (50, 100, 150, 200)),
        ("workload.users=50:210:50", (50, 100, 150, 200)),
        ("a.share=0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("edge.routing=active-standby, round-robin", ("active-standby", "round-robin")),
        ("database.commit=on,local", ("on", "local")),
        ("a.list=[x, y],[x]", (["x", "y"], ["x"])),
        ("a.b=1e3", (1000.0,)),
    ],
)
def test_values_are_read_as_they_are_written(item: str, values: tuple[object, ...]) -> None:
    assert parse_vary([item]) == (Levels(item.partition("=")[0], values),)


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], "nothing is varied"),
        (["users"], "KEY=4,8,16"),
        (["a=1", "a=2"], "varied twice"),
        (["a=5:1:1"], "leads nowhere"),
        (["a=1:5:0"], "leads nowhere"),
        (["a=0:1:1e-9"], "too many"),
        (["a=5:1"], "low < high"),
        (["a=[1"], "a"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(items: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        parse_vary(items)
    assert caught.value.where == "--vary"


@pytest.mark.parametrize(
    ("item", "key", "allowed"),
    [
        ("inference.max_bach=4", "inference.max_bach", "max_batch"),
        ("inference.max_batch=4,0", "inference.max_batch", ""),
        ("database.commit=perhaps", "database.commit", "local"),
        ("workload.users.x=1", "workload.users.x", ""),
    ],
)
def test_a_key_or_value_no_design_can_have_is_named_before_anything_runs(
    item: str, key: str, allowed: str
) -> None:
    with pytest.raises(InputError) as caught:
        points("local", grid(parse_vary([item])))
    assert caught.value.key == key
    assert caught.value.where in {"--vary", "--set"}
    assert allowed in caught.value.allowed


def test_a_grid_has_every_combination_and_a_span_has_no_grid() -> None:
    dimensions = parse_vary(["a=1,2", "b=x,y,z"])
    assert [tuple(settings.values()) for settings in grid(dimensions)] == [
        (1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="--sobol N"):
        grid(parse_vary(["a=1:5"]))
    with pytest.raises(InputError, match="40000 points"):
        grid(parse_vary(["a=1:200:1", "b=1:200:1"]))


def test_sobol_points_cover_evenly_and_whole_numbers_stay_whole() -> None:
    dimensions = whole_numbers(
        parse_vary(["inference.max_batch=1:8", "inference.queue_timeout_s=5:60", "edge.x=u,v"]),
        load_design("local"),
    )
    assert [getattr(dimension, "whole", None) for dimension in dimensions] == [True, False, None]
    settings = sobol(dimensions, 64, seed=1)
    assert Counter(point["inference.max_batch"] for point in settings) == dict.fromkeys(
        range(1, 9), 8
    )
    assert Counter(point["edge.x"] for point in settings) == {"u": 32, "v": 32}
    waits = sorted(point["inference.queue_timeout_s"] for point in settings)
    assert all(5 + 55 * i / 64 <= wait <= 5 + 55 * (i + 1) / 64 for i, wait in enumerate(waits))
    assert len(sobol(dimensions, 5, seed=1)) == 5
    assert Span("a", 0.0, 1.0).at(0.25) == 0.25


def test_points_share_their_chance_so_that_differences_are_sharp(tmp_path: Path) -> None:
    chosen = points(
        "local", grid(parse_vary(["inference.max_batch=4,8"])), ["inference.queue_timeout_s=40"]
    )
    result = sweep(chosen, BATCHING, ALONE)
    found = result.difference(0, 1, "wait_s")
    assert found is not None
    assert found.difference.estimate == pytest.approx(-5.0)
    assert found.difference.upper - found.difference.lower < 1e-9
    table = result.table()
    assert list(table["inference.max_batch"]) == [4, 4, 8, 8]
    assert list(table["metric"]) == ["wait_s", "batch"] * 2
    path = record_sweep(load_design("local"), result, tmp_path, seed=3, parameters={"vary": ["x"]})
    run = load_run(path)
    assert run.record.kind == "sweep"
    assert run.record.outcome["keys"] == ["inference.max_batch"]
    assert len(run.table("replications")) == 40
    assert run.table("points").equals(table)


def test_values_of_several_types_can_be_recorded(tmp_path: Path) -> None:
    settings: list[dict[str, object]] = [{"k": 1}, {"k": "two"}, {"k": [3]}]
    design = load_design("local")
    result = sweep(points("local", [{}] * 3), BATCHING, ALONE)
    mixed = SweepResult(
        result.target,
        tuple(
            PointResult(chosen, point.design_hash, point.replications)
            for chosen, point in zip(settings, result.points, strict=True)
        ),
    )
    run = load_run(record_sweep(design, mixed, tmp_path, seed=3, parameters={}))
    assert sorted(set(run.table("points")["k"])) == ["1", "[3]", "two"]


def test_a_wider_sweep_takes_what_a_narrower_one_has_made(tmp_path: Path) -> None:
    work = Work(seed=3, replications=4, jobs=1, cache=tmp_path)

    def run(values: str) -> str:
        chosen = points("local", grid(parse_vary([f"inference.max_batch={values}"])))
        return json.dumps(sweep(chosen, BATCHING, work).document())

    run("4,8")
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("chunk-*")}
    assert len(before) == 2
    run("4,8,16")
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("chunk-*")}
    assert len(after) == 3
    assert {file: after[file] for file in before} == before


def test_designs_are_compared_pair_by_pair_and_several_at_once() -> None:
    base, other = (load_design("local", [f"inference.max_batch={n}"]) for n in (8, 4))
    found = compare(base, other, BATCHING, metrics=["wait_s"], work=ALONE)
    assert list(found) == ["wait_s"]
    assert found["wait_s"].direction == "more"
    several = compare_with_base(base, {"other": other, "same": base}, BATCHING, work=ALONE)
    assert several["same"]["wait_s"].difference.upper == 0.0
    assert several["other"]["wait_s"].difference.confidence == pytest.approx(0.975)


def test_more_users_are_never_faster_and_the_numbers_are_those_of_simulate() -> None:
    chosen = points("dual-m3-ultra", grid(parse_vary(["workload.users=20,400"])))
    target = CapacityTarget(Scenario(duration_s=60, warmup_s=20))
    result = sweep(chosen, target, Work(seed=2, replications=3, jobs=1))
    found = result.difference(0, 1, "utilisation")
    assert found is not None
    assert found.direction == "more"
    metrics = result.points[0].replications.estimates()
    assert {"journeys.lookup.latency_s.p95", "answered_share", "utilisation"} <= set(metrics)


def test_a_longer_lease_makes_a_longer_outage() -> None:
    chosen = points("patroni-defaults", grid(parse_vary(["database.lease.ttl_s=30,60"])))
    target = FailoverTarget(trials=10, faults=("primary-crash",))
    result = sweep(chosen, target, Work(seed=2, replications=3, jobs=1))
    found = result.difference(0, 1, "primary-crash.write.outage_s.p50")
    assert found is not None
    assert found.difference.covers(30.0)
    assert found.direction == "more"
    with pytest.raises(InputError, match="'meteor' cannot strike"):
        FailoverTarget(faults=("meteor",)).task(chosen[0].design)  # type: ignore[arg-type]


def test_availability_is_that_of_the_availability_model_in_any_process() -> None:
    design = load_design("dual-m3-ultra")
    task = AvailabilityTarget(years=50).task(design)
    model = UptimeModel(design, task.failover)
    [kept] = replicate(task, seed=4, replications=1, jobs=1).rows
    made = model.replication(0, years=50, seed=4, inputs="drawn")
    assert kept == metrics_of(made)
    assert pickle.loads(pickle.dumps(task))(4, 0) == kept  # noqa: S301 - our own bytes
    assert any(name.startswith("availability.input.") for name in uncertain_inputs(task))
