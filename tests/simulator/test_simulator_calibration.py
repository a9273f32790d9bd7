"""Step times recovered from steps whose law is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from architecture import Design
from evidence import load_run
from simulator import CalibrationError, calibrated_step_times, fit_step_times, record_calibration
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
