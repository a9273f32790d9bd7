"""Step times recovered from steps whose law is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from architecture import Design
from evidence import load_run
from reference_stack.database.flush_timing import time_flushes
from simulator import (
    CalibrationError,
    calibrated_step_times,
    figures_for,
    fit_step_times,
    record_calibration,
)
from simulator.calibration import calibrated_flush_times
from simulator.flush_times import FlushTimesError, fit_flush_times
from simulator.step_times import FIELDS, StepTimes

TRUE = StepTimes(
    prefill_base_s=0.03,
    prefill_per_token_s=0.005,
    decode_base_s=0.13,
    decode_per_sequence_s=0.014,
)


def measured(random: np.random.Generator, scatter: float, repeats: int = 5) -> pd.DataFrame:
    """Rows as the engine's timing gives them, with relative noise."""
    sizes = [(batch, tokens) for batch in (1, 4, 8) for tokens in (32, 128)]
    rows = [("prefill", b, t, TRUE.prefill_s(b * t)) for b, t in sizes]
    rows += [("decode", b, t, TRUE.decode_s(b)) for b, t in sizes]
    table = pd.DataFrame(rows * repeats, columns=["kind", "batch", "tokens", "seconds"])
    table["seconds"] *= 1 + scatter * random.standard_normal(len(table))
    return table


def test_exact_rows_give_back_the_law_exactly() -> None:
    found = fit_step_times(measured(np.random.default_rng(1), scatter=0.0)).typical
    for name in FIELDS:
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=1e-9)


def test_ranges_cover_the_truth_as_often_as_they_say() -> None:
    """300 noisy calibrations; each coefficient's 95 % may be off by four standard errors of 5 %."""
    random = np.random.default_rng(7)
    trials = 300
    covered = dict.fromkeys(FIELDS, 0)
    for _ in range(trials):
        fitted = fit_step_times(measured(random, scatter=0.08))
        for name in FIELDS:
            figure = getattr(fitted, name)
            covered[name] += figure.low <= getattr(TRUE, name) <= figure.high
    for name, times in covered.items():
        assert abs(times / trials - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / trials), (name, times)


def test_no_coefficient_falls_below_zero() -> None:
    rows = measured(np.random.default_rng(1), scatter=0.0)
    decode = rows["kind"] == "decode"
    rows.loc[decode, "seconds"] = rows.loc[decode, "batch"] * 0.05 - 0.01
    fitted = fit_step_times(rows)
    assert fitted.decode_base_s.typical == 0.0
    assert fitted.decode_base_s.low == 0.0
    assert fitted.decode_per_sequence_s.low > 0.03


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame({"kind": ["prefill"]}), "batch, tokens, seconds"),
        (pd.DataFrame({"kind": "prefill", "batch": [1] * 3, "tokens": 32, "seconds": 1}), "sizes"),
        (
            pd.DataFrame({"kind": "prefill", "batch": [1, 2, 4], "tokens": 32, "seconds": -0.2}),
            "positive",
        ),
    ],
    ids=["columns", "one-size", "negative"],
)  # fmt: skip
def test_unusable_rows_are_refused_with_what_is_needed(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        fit_step_times(rows)


def test_a_recorded_calibration_is_read_back_as_it_was(local: Design, tmp_path: Path) -> None:
    rows = measured(np.random.default_rng(3), scatter=0.05)
    fitted = fit_step_times(rows)
    path = record_calibration(rows, fitted, local, tmp_path, hardware="this-machine")
    run = load_run(path)
    assert calibrated_step_times(run, "smollm2-135m") == fitted
    assert run.table("step_times").equals(rows)
    with pytest.raises(CalibrationError, match="smollm2-135m"):
        calibrated_step_times(run, "another-model")


def test_the_mean_and_spread_of_flushes_are_found_again() -> None:
    """Lognormal flushes of 2 ms, cv 0.7: 900 of them give the mean within 4 standard errors."""
    rng = np.random.default_rng(11)
    sigma2 = np.log1p(0.7**2)
    flushes_s = rng.lognormal(np.log(0.002) - sigma2 / 2, np.sqrt(sigma2), 900)
    fitted = fit_flush_times(flushes_s.tolist())
    assert fitted.mean_s.typical == pytest.approx(0.002, abs=4 * 0.7 * 0.002 / 30)
    assert fitted.spread.cv == pytest.approx(0.7, abs=0.15)
    assert fitted.mean_s.low < 0.002 < fitted.mean_s.high


def test_a_disk_that_is_slow_for_a_while_widens_the_range() -> None:
    fitted = fit_flush_times([0.001] * 150 + [0.004] * 150)
    assert (fitted.mean_s.low, fitted.mean_s.high) == (pytest.approx(0.001), pytest.approx(0.004))


@pytest.mark.parametrize("flushes_s", [[0.001] * 89, [0.001] * 89 + [0.0], [math.nan] * 90])
def test_too_few_or_impossible_flushes_are_refused(flushes_s: list[float]) -> None:
    with pytest.raises(FlushTimesError):
        fit_flush_times(flushes_s)


def test_a_calibration_keeps_the_flushes_it_timed(local: Design, tmp_path: Path) -> None:
    rows = measured(np.random.default_rng(3), scatter=0.05)
    flushes_s = time_flushes(tmp_path, 90)
    assert len(flushes_s) == 90
    assert list(tmp_path.iterdir()) == []
    with_flushes, without = (
        load_run(
            record_calibration(
                rows, fit_step_times(rows), local, tmp_path / name, hardware="this-machine",
                flushes_s=timed,
            )
        )
        for name, timed in (("with", flushes_s), ("without", []))
    )  # fmt: skip
    fitted = calibrated_flush_times(with_flushes)
    assert fitted == fit_flush_times(flushes_s)
    assert calibrated_flush_times(without) is None
    assert list(with_flushes.table("flushes")["seconds"]) == flushes_s
    assert figures_for(local, flush_times=fitted).flush_s == fitted.mean_s
