"""Response times of undisturbed operation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evidence import list_runs
from load.settings import PROBE_JOURNEY
from reports.latency import Calm, calm_requests, calm_span, pooled_quantile
from tests.reports.fixtures import CLOCK_START_S, HELD_SO_FAR, local_design


def attempts(*rows: tuple[str, float, float, float, str]) -> pd.DataFrame:
    table = pd.DataFrame(
        rows, columns=["request_id", "intended_s", "sent_s", "finished_s", "outcome"]
    )
    return table.assign(operation="lookup", user=1)


def test_the_span_ends_before_the_oldest_request_that_the_fault_met() -> None:
    requests = attempts(
        ("a", 0, 0, 1, "ok"),
        ("b", 20, 20, 21, "ok"),
        ("c", 28, 28, 31, "ok"),
        ("d", 29, 29, 29.5, "ok"),
    )
    faults = pd.DataFrame({"injected_s": [30.0]})
    assert calm_span(requests, faults, "lookup", ramp_s=15) == (15, 28)


def test_the_span_of_a_load_run_has_no_end() -> None:
    assert calm_span(attempts(("a", 2, 2, 3, "ok")), None, "lookup", ramp_s=5) == (7, math.inf)


def test_a_response_time_counts_from_the_intended_start_over_all_attempts(
    roots: dict[str, Path],
) -> None:
    run = next(r for r in list_runs(roots["held-so-far"]) if r.record.kind == "chaos")
    requests = run.table("requests")
    faults = run.table("faults")
    sample = calm_requests(run, "lookup", local_design())
    start_s = float(requests["intended_s"].min()) + local_design().workload.ramp_s
    end_s = calm_span(requests, faults, "lookup", local_design().workload.ramp_s)[1]
    own = requests[
        (requests["operation"] == "lookup")
        & (requests["intended_s"] >= start_s)
        & (requests["intended_s"] < end_s)
    ]
    assert sample.n == own["request_id"].nunique()
    assert np.allclose(
        np.sort(sample.value_s), np.sort((own["finished_s"] - own["intended_s"]).to_numpy())
    )
    assert end_s <= CLOCK_START_S + HELD_SO_FAR.before_s


@pytest.mark.parametrize(("quantile", "n"), [(0.5, 300), (0.95, 600), (0.95, 3000), (0.99, 3000)])
def test_the_interval_of_a_quantile_holds_the_truth_as_often_as_it_claims(
    quantile: float, n: int
) -> None:
    """400 samples of independent exponentials; the claim is 95 %.

    A binomial(400, 0.95) is above 364 with probability 0.9997.
    """
    random = np.random.default_rng(5)
    truth = -math.log(1 - quantile)
    hits = 0
    for _ in range(400):
        sample = Calm("r", np.sort(random.uniform(0, 100, n)), random.exponential(1, n), 0, 1)
        estimate = pooled_quantile([sample], quantile)
        hits += estimate is not None and estimate.covers(truth)
    assert hits > 364


def test_requests_without_an_answer_count_at_least_the_time_out(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    run = next(r for r in list_runs(roots["held-so-far"]) if r.record.kind == "chaos")
    requests = run.table("requests")
    requests.loc[requests["operation"] == "lookup", "outcome"] = "refused"
    (tmp_path / "run.json").write_text((run.path / "run.json").read_text())
    requests.to_parquet(tmp_path / "requests.parquet")
    run.table("faults").to_parquet(tmp_path / "faults.parquet")
    sample = calm_requests(type(run)(tmp_path, run.record), "lookup", local_design())
    assert sample.unanswered == sample.n > 0
    assert sample.value_s.min() >= local_design().workload.client.timeout_s


def test_one_request_gives_no_interval() -> None:
    estimate = pooled_quantile([Calm("r", np.array([0.0]), np.array([0.5]), 0, 1)], 0.95)
    assert estimate is not None
    assert (estimate.lower, estimate.upper) == (0, math.inf)


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_nothing_measured_is_no_estimate(quantile: float) -> None:
    assert pooled_quantile([], quantile) is None


def test_probes_are_neither_requests_nor_users_of_a_latency(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    run = next(r for r in list_runs(roots["held-so-far"]) if r.record.kind == "chaos")
    requests = run.table("requests")
    probes = requests[requests["operation"] == "lookup"].assign(
        operation="chat", journey=PROBE_JOURNEY, user=requests["user"].max() + 1,
        request_id=lambda table: "probe " + table["request_id"],
    )  # fmt: skip
    (tmp_path / "faults.parquet").write_bytes((run.path / "faults.parquet").read_bytes())
    pd.concat([requests, probes]).to_parquet(tmp_path / "requests.parquet")
    probed = type(run)(tmp_path, run.record)
    for operation in ("lookup", "chat"):
        with_probes = calm_requests(probed, operation, local_design())
        without = calm_requests(run, operation, local_design())
        assert (with_probes.n, with_probes.users) == (without.n, without.users)
