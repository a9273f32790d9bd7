"""Step times from measurement: least squares that respect zero, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from architecture.design import Design
from architecture.values import Range
from evidence import Run, RunWriter
from evidence.verdict import NoVerdictError
from simulator.flush_times import FlushTimes, fit_flush_times
from simulator.step_times import StepTimesRange
from simulator.streams import FloatArray

KIND = "calibration"
COLUMNS = ("kind", "batch", "tokens", "seconds")
# A slope, an intercept, and one row to see the scatter by.
LEAST_ROWS = 3


class CalibrationError(NoVerdictError):
    """Measured rows that determine no step times, or a run that holds none."""


def fit_step_times(rows: pd.DataFrame, confidence: float = 0.95) -> StepTimesRange:
    """Fit step times to measured steps.

    Args:
        rows: Columns kind (prefill or decode), batch (sequences), tokens (a prompt's length each;
            not used for decode) and seconds. A prefill row runs to the first tokens.
        confidence: Of the coefficients' intervals, which become the ranges' ends.

    Raises:
        CalibrationError: when columns are missing, or a kind's rows are too few or too alike.
    """
    missing = [column for column in COLUMNS if column not in rows.columns]
    if missing:
        raise CalibrationError(f"step times lack the columns {', '.join(missing)}")
    prefill = rows[rows["kind"] == "prefill"]
    decode = rows[rows["kind"] == "decode"]
    read = _line("prefill", prefill["batch"] * prefill["tokens"], prefill["seconds"], confidence)
    said = _line("decode", decode["batch"], decode["seconds"], confidence)
    return StepTimesRange(
        prefill_base_s=read[0],
        prefill_per_token_s=read[1],
        decode_base_s=said[0],
        decode_per_sequence_s=said[1],
    )


def _line(kind: str, work: pd.Series, seconds: pd.Series, confidence: float) -> tuple[Range, Range]:
    """Base and slope of ``seconds`` over ``work``, by relative error, neither below zero.

    Long steps scatter more than short ones, so each row weighs by the inverse of the mean of its
    like. A coefficient that comes out negative is zero and the other is fitted without it; the
    upper end of its range is that of the fit with both.
    """
    x, y = work.to_numpy(dtype=float), seconds.to_numpy(dtype=float)
    if len(x) < LEAST_ROWS or len(np.unique(x)) < LEAST_ROWS - 1:
        raise CalibrationError(
            f"{kind}: {len(x)} rows over {len(np.unique(x))} sizes; at least {LEAST_ROWS} rows "
            "and two sizes are needed"
        )
    if not np.all(np.isfinite(y)) or np.any(y <= 0):
        raise CalibrationError(f"{kind}: seconds must be positive numbers")
    like = {size: float(y[x == size].mean()) for size in np.unique(x)}
    weight = np.array([1 / like[size] for size in x])
    design = np.column_stack([np.ones_like(x), x])
    both, error = _least_squares(design * weight[:, None], y * weight)
    quantile = float(stats.t.ppf((1 + confidence) / 2, len(x) - 2))
    typical, half = both.copy(), quantile * error
    if np.any(both < 0):
        kept = int(np.argmax(both))
        alone, alone_error = _least_squares(
            design[:, [kept]] * weight[:, None], y * weight
        )  # fmt: skip
        typical = np.zeros(2)
        typical[kept] = alone[0]
        half[kept] = float(stats.t.ppf((1 + confidence) / 2, len(x) - 1)) * alone_error[0]
        dropped = 1 - kept
        half[dropped] = max(both[dropped] + half[dropped], 0.0)
    source = f"least squares over {len(x)} measured {kind} steps, {confidence:.0%} interval"
    base, slope = (
        Range(
            low=max(float(value - width), 0.0),
            typical=float(value),
            high=float(value + width),
            source=source,
        )
        for value, width in zip(typical, half, strict=True)
    )
    return base, slope


def _least_squares(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients and their standard errors."""
    found, *_ = np.linalg.lstsq(design, target, rcond=None)
    residuals = target - design @ found
    variance = float(residuals @ residuals) / max(len(target) - design.shape[1], 1)
    covariance = variance * np.linalg.inv(design.T @ design)
    return np.asarray(found, dtype=float), np.asarray(np.sqrt(np.diag(covariance)), dtype=float)


def record_calibration(
    rows: pd.DataFrame,
    fitted: StepTimesRange,
    design: Design,
    root: Path,
    *,
    hardware: str,
    flushes_s: Sequence[float] = (),
) -> Path:
    """Write a run of kind ``calibration``; returns its folder.

    The outcome holds ``performance.<model>`` (the hardware's name and the fitted ranges); the table
    ``step_times`` holds ``rows``. Of measured flushes it holds ``flush`` and the table ``flushes``
    (``seconds``, in their order).

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    performance = {"hardware": hardware, **fitted.model_dump(mode="json")}
    with RunWriter.of_design(
        root, kind=KIND, design=design,
        seed=None, parameters={"model": design.inference.model, "hardware": hardware},
    ) as run:  # fmt: skip
        run.write_table("step_times", rows[list(COLUMNS)])
        outcome: dict[str, Any] = {"performance": {design.inference.model: performance}}
        if flushes_s:
            run.write_table("flushes", pd.DataFrame({"seconds": list(flushes_s)}))
            outcome["flush"] = fit_flush_times(flushes_s).model_dump(mode="json")
        run.finish(outcome)
    return run.path


def calibrated_step_times(run: Run, model: str) -> StepTimesRange:
    """The step times a calibration run found for ``model``.

    Raises:
        CalibrationError: when the run is of another kind or is about other models.
    """
    performance = run.record.outcome.get("performance")
    if run.record.kind != KIND or not isinstance(performance, dict):
        raise CalibrationError(f"{run.path}: is a run of kind '{run.record.kind}', not '{KIND}'")
    found = performance.get(model)
    if not isinstance(found, dict):
        held = ", ".join(performance) or "none"
        raise CalibrationError(f"{run.path}: holds no step times of '{model}' (models: {held})")
    return StepTimesRange.model_validate(
        {key: value for key, value in found.items() if key != "hardware"}
    )


def calibrated_flush_times(run: Run) -> FlushTimes | None:
    """The flush times a calibration run found; None when it measured none.

    Raises:
        CalibrationError: when the run is of another kind.
    """
    if run.record.kind != KIND:
        raise CalibrationError(f"{run.path}: is a run of kind '{run.record.kind}', not '{KIND}'")
    found = run.record.outcome.get("flush")
    return None if found is None else FlushTimes.model_validate(found)
