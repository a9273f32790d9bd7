"""Run records of simulated networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from architecture.station_network import network_hash
from evidence.record import RunWriter, json_document
from simulator.network.result import NetworkResult

KIND = "network-simulation"


def record_network(
    result: NetworkResult, root: Path, *, seed: int, parameters: Mapping[str, JsonValue]
) -> Path:
    """Write a run of kind ``network-simulation``; returns its folder.

    The outcome is the result's document, the table ``replications`` has a row a replication.

    Raises:
        evidence.record.RecordError: when it cannot be written.
    """
    with RunWriter(
        root, kind=KIND, design_document=json_document(result.network),
        design_hash=network_hash(result.network), seed=seed, parameters=parameters,
    ) as run:  # fmt: skip
        run.write_table("replications", result.table())
        run.finish(result.document())
    return run.path
