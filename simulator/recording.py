"""Run records of simulations that stand for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from architecture import Design
from evidence.record import RunWriter
from simulator.hospital import CapacityResult

KIND = "simulation"


def record_simulation(
    design: Design, result: CapacityResult, root: Path, *, seed: int,
    parameters: Mapping[str, JsonValue],
) -> Path:  # fmt: skip
    """Write a run of kind ``simulation``; returns its folder.

    The outcome is the result's document; the tables are ``latency`` (by replication and operation),
    ``stations``, and, when minutes were kept, ``minutes`` and ``operations`` of the first
    replication.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    with RunWriter.of_design(
        root, kind=KIND, design=design, seed=seed, parameters=parameters,
    ) as run:  # fmt: skip
        run.write_table("latency", result.latency_table())
        run.write_table("stations", result.station_table())
        if len(result.timeline_table()):
            run.write_table("minutes", result.timeline_table())
            run.write_table("operations", result.operations_table())
        run.finish(result.document())
    return run.path
