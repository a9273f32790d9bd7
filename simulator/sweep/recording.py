"""Run records of sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from architecture import Design
from evidence.record import RunWriter
from simulator.sweep.run import SweepResult

KIND = "sweep"


def record_sweep(
    base: Design, result: SweepResult, root: Path, *, seed: int,
    parameters: Mapping[str, JsonValue],
) -> Path:  # fmt: skip
    """Write a run of kind ``sweep``; returns its folder.

    The outcome is the result's document; the tables are ``points`` (tidy estimates) and
    ``replications``.

    Args:
        base: The design that was varied.
        result: What came out.
        root: Folder of run records.
        seed: Of the replications.
        parameters: What was varied and how.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    with RunWriter.of_design(
        root, kind=KIND, design=base, seed=seed, parameters=parameters,
    ) as run:  # fmt: skip
        run.write_table("points", result.table())
        run.write_table("replications", result.replication_table())
        run.finish(result.document())
    return run.path
