"""The replication lag: judged by samples of undisturbed operation alone."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from evidence import Run, Verdict, load_run
from evidence.record import RunWriter
from load.lag import LagSample, lag_table
from reports.judge import verdicts
from tests.reports.fixtures import local_design

RAMP_S = local_design().workload.ramp_s
FAULT_S = RAMP_S + 100.0


def chaos_run(root: Path, samples: list[LagSample]) -> Run:
    design = local_design()
    requests = pd.DataFrame(
        {
            "request_id": ["a", "b"], "user": 1,
            "journey": "ward-round", "operation": "login", "attempt": 1,
            "intended_s": [0.0, FAULT_S + 60], "sent_s": [0.0, FAULT_S + 60],
            "first_byte_s": [0.1, FAULT_S + 60.1], "finished_s": [0.1, FAULT_S + 60.1],
            "outcome": "ok",
        }
    )  # fmt: skip
    faults = pd.DataFrame({"injected_s": [FAULT_S]})
    writer = RunWriter.of_design(
        root, kind="load", design=design, seed=1, parameters={},
    )  # fmt: skip
    with writer as run:
        run.write_table("requests", requests)
        run.write_table("faults", faults)
        run.write_table("replication_lag", lag_table(samples))
        run.finish({})
    return load_run(run.path)


def verdict_on(root: Path, lags: dict[float, float], standby: str = "mac-2") -> Verdict:
    samples = [
        LagSample(time_s, standby, synchronous=True, lag_s=lag_s) for time_s, lag_s in lags.items()
    ]
    run = chaos_run(root, samples)
    found = {v.objective: v for v in verdicts([run], local_design())}
    return found["B-09.lag"]


def seconds(n: int) -> list[float]:
    return [RAMP_S + 1 + number for number in range(n)]


def test_enough_samples_within_the_bound_hold_the_promise(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, dict.fromkeys(seconds(59), 0.004))
    assert (verdict.verdict, verdict.n) == ("held", 59)


def test_too_few_samples_say_how_many_are_missing(tmp_path: Path) -> None:
    verdict = verdict_on(tmp_path, dict.fromkeys(seconds(20), 0.004))
    assert verdict.verdict == "inconclusive"
    assert "39 more are needed" in verdict.reason


@pytest.mark.parametrize("late_s", [0.101, math.inf])
def test_one_late_sample_refutes_it(tmp_path: Path, late_s: float) -> None:
    lags = {**dict.fromkeys(seconds(80), 0.004), RAMP_S + 10: late_s}
    verdict = verdict_on(tmp_path, lags)
    assert verdict.verdict == "refuted"
    assert verdict.reason.startswith("1 of 80 samples")


def test_what_a_fault_or_the_ramp_did_does_not_count(tmp_path: Path) -> None:
    lags = {**dict.fromkeys(seconds(59), 0.004), RAMP_S - 1: 9.0, FAULT_S + 1: math.inf}
    assert verdict_on(tmp_path, lags).verdict == "held"


def test_the_clouds_lag_is_not_the_pairs(tmp_path: Path) -> None:
    assert verdict_on(tmp_path, dict.fromkeys(seconds(59), 3.0), standby="gcp").n == 0
