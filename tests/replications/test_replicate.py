"""Replications on several processes: the same bytes, made once, and failures with a name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from simulator.replications import (
    Metrics,
    ReplicationError,
    Store,
    StoreError,
    Task,
    UnknownMetricError,
    WorkerLostError,
    code_version,
    replicate,
    replicate_all,
)
from simulator.statistics import Precision, across
from tests.replications.tasks import (
    Counted,
    FailingAt,
    Queue,
    Slow,
    die,
    divide_by_zero,
    noise,
    raise_awkwardly,
)

pytestmark = pytest.mark.long


def test_one_process_and_two_give_the_same_bytes() -> None:
    tasks: list[Task] = [noise, Queue(0.5), Queue(0.8)]
    alone, together = (replicate_all(tasks, seed=4, replications=40, jobs=jobs) for jobs in (1, 2))
    assert json.dumps([made.rows for made in alone]) == json.dumps([made.rows for made in together])
    other = replicate(noise, seed=5, replications=40, jobs=1)
    assert other.values("normal") != alone[0].values("normal")


def test_replication_n_of_two_tasks_meets_the_same_chance() -> None:
    quiet, busy = replicate_all([Queue(0.5), Queue(0.8)], seed=1, replications=30, jobs=1)
    pairs = zip(quiet.values("sojourn"), busy.values("sojourn"), strict=True)
    assert all(first < second for first, second in pairs)


def test_what_is_kept_is_not_made_again_and_a_larger_number_goes_on(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ran.mkdir()
    task = Counted(ran)

    def made(number: int, seed: int = 1) -> list[float]:
        store = Store(tmp_path / "kept", {"task": "counted"}, seed=seed, code="1")
        return replicate(task, seed=seed, replications=number, store=store, jobs=1).values("value")

    first = made(5)
    assert task.runs() == [0, 1, 2, 3, 4]
    assert made(8) == [*first, 1005.0, 1006.0, 1007.0]
    assert made(3) == first[:3]
    assert task.runs() == list(range(8))
    assert made(2, seed=2) == [2000.0, 2001.0]


def test_results_of_other_code_parameters_or_seed_are_never_taken(tmp_path: Path) -> None:
    base = Store(tmp_path, {"users": 1}, seed=1, code="a")
    base.save({0: {"value": 1.0}})
    others = [
        Store(tmp_path, {"users": 2}, seed=1, code="a"),
        Store(tmp_path, {"users": 1}, seed=2, code="a"),
        Store(tmp_path, {"users": 1}, seed=1, code="b"),
    ]
    assert [other.load() for other in others] == [{}, {}, {}]
    assert Store(tmp_path, {"users": 1}, seed=1, code="a").load() == {0: {"value": 1.0}}
    assert code_version(noise) == code_version(partial(noise, 1))
    assert code_version(noise) != code_version(json.dumps)


def test_numbers_come_back_from_the_cache_bit_for_bit(tmp_path: Path) -> None:
    values = {"third": 1 / 3, "endless": math.inf, "unseen": math.nan, "tiny": 5e-324}
    store = Store(tmp_path, {}, seed=1, code="a")
    store.save({3: values})
    assert json.dumps(store.load()[3]) == json.dumps(values)


def test_a_damaged_file_costs_its_replications_only(tmp_path: Path) -> None:
    store = Store(tmp_path, {}, seed=1, code="a")
    store.save({0: {"value": 1.0}})
    store.save({1: {"value": 2.0}})
    damaged = next(file for file in store.folder.glob("chunk-*") if '"1"' in file.read_text())
    damaged.write_text('{"1": {"val')
    assert store.load() == {0: {"value": 1.0}}


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file", {}, seed=1, code="a")
    with pytest.raises(StoreError, match="file"):
        store.save({0: {"value": 1.0}})


@pytest.mark.parametrize(
    ("jobs", "fail", "told"),
    [(1, divide_by_zero, "ZeroDivisionError"), (2, raise_awkwardly, "AwkwardError")],
)
def test_a_failing_replication_is_told_by_its_number_and_seed(
    jobs: int, fail: Callable[[], None], told: str
) -> None:
    with pytest.raises(ReplicationError, match=f"replication 7 of seed 3: {told}") as caught:
        replicate(FailingAt(7, fail), seed=3, replications=12, jobs=jobs)
    assert (caught.value.replication, caught.value.seed) == (7, 3)
    assert "tasks.py" in caught.value.details


def test_after_a_failure_the_finished_replications_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, {}, seed=3, code="a")
    with pytest.raises(ReplicationError):
        replicate(FailingAt(7, divide_by_zero), seed=3, replications=12, jobs=1, store=store)
    assert sorted(store.load()) == list(range(7))


def test_a_worker_that_dies_is_told_with_what_was_unfinished() -> None:
    with pytest.raises(WorkerLostError, match=r"replications .*\b7\b.* were unfinished"):
        replicate(FailingAt(7, die), seed=3, replications=12, jobs=2)


def test_a_full_disk_ends_the_workers_and_is_named(tmp_path: Path) -> None:
    class Full(Store):
        def save(self, finished: Mapping[int, Metrics]) -> None:
            raise StoreError(f"{self.folder}: no space left, {len(finished)} unsaved")

    store = Full(tmp_path, {}, seed=1, code="a")
    before = set(psutil.Process().children(recursive=True))
    replicate(noise, seed=1, replications=4, jobs=2)
    with pytest.raises(StoreError, match="no space left") as caught:
        replicate(Slow(0.3), seed=1, replications=30, jobs=2, store=store)
    for child in set(psutil.Process().children(recursive=True)) - before:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            assert "LokyProcess" not in " ".join(child.cmdline())
    assert caught.value.__traceback__ is not None


def test_replications_go_on_until_every_named_metric_is_precise() -> None:
    precision = Precision(0.05, ("normal", "exponential"), at_least=10, at_most=5000)
    made = replicate(noise, seed=2, replications=precision, jobs=1)
    assert made.precise
    for metric, mean in (("normal", 10.0), ("exponential", 1.0)):
        estimate = across(made.values(metric))
        assert estimate is not None
        assert estimate.upper - estimate.estimate <= 0.05 * estimate.estimate
        assert estimate.covers(mean)
    # An exponential's cv is 1: (1.96 / 0.0476)² ≈ 1,700 replications.
    assert 1200 < len(made.rows) < 2400


def test_an_unreachable_precision_is_given_up_and_said_so() -> None:
    precision = Precision(0.001, ("exponential",), at_least=10, at_most=50)
    made = replicate(noise, seed=2, replications=precision, jobs=1)
    assert len(made.rows) == 50
    assert not made.precise
    with pytest.raises(UnknownMetricError, match="known: normal, exponential, seldom"):
        replicate(noise, seed=2, replications=Precision(0.1, ("speed",)), jobs=1)


def test_what_no_replication_observed_makes_no_estimate() -> None:
    made = replicate(noise, seed=2, replications=12, jobs=1)
    seen = [value for value in made.values("seldom") if not math.isnan(value)]
    assert 0 < len(seen) < 12
    assert made.estimates()["seldom"].n == len(seen)
    assert list(made.table().columns) == ["replication", "normal", "exponential", "seldom"]
