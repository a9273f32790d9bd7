"""The same call on a cluster of real Dask workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import pytest

from simulator.replications import ReplicationError, Store, replicate
from tests.replications.tasks import FailingAt, Queue, divide_by_zero

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as workers,
        distributed.Client(workers),
        joblib.parallel_config(backend="dask"),
    ):
        yield


@pytest.mark.usefixtures("cluster")
def test_a_cluster_gives_the_same_bytes_and_keeps_them(tmp_path: Path) -> None:
    store = Store(tmp_path, {}, seed=6, code="a")
    there = replicate(Queue(0.8), seed=6, replications=60, store=store)
    with joblib.parallel_config(backend="loky"):
        here = replicate(Queue(0.8), seed=6, replications=60, jobs=1)
    assert json.dumps(there.rows) == json.dumps(here.rows)
    assert sorted(store.load()) == list(range(60))


@pytest.mark.usefixtures("cluster")
def test_a_failure_on_the_cluster_is_told_by_number_and_seed() -> None:
    with pytest.raises(ReplicationError, match="replication 7 of seed 3: ZeroDivisionError"):
        replicate(FailingAt(7, divide_by_zero), seed=3, replications=12)
