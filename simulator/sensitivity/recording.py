"""Run records of sensitivity analyses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from architecture import Design
from evidence.record import RunWriter
from simulator.sensitivity.run import Sensitivity

KIND = "sensitivity"
COLUMNS = ("metric", "input", "index", "estimate", "lower", "upper", "confidence", "n")


def index_table(result: Sensitivity) -> pd.DataFrame:
    """A row a metric, input and index (``first`` or ``total``), with its interval."""
    rows = [
        {"metric": found.metric, "input": index.name, "index": kind, **estimate.model_dump()}
        for found in result.metrics
        for index in found.indices
        for kind, estimate in (("first", index.first), ("total", index.total))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def record_sensitivity(
    design: Design, result: Sensitivity, root: Path, *, seed: int,
    parameters: Mapping[str, JsonValue],
) -> Path:  # fmt: skip
    """Write a run of kind ``sensitivity``; returns its folder.

    The outcome is the result's document, the table ``indices`` is :func:`index_table`.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    with RunWriter.of_design(
        root, kind=KIND, design=design, seed=seed, parameters=parameters,
    ) as run:  # fmt: skip
        run.write_table("indices", index_table(result))
        run.finish(result.document())
    return run.path
