"""Reading a network of stations: one YAML file, strict, with its traces beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from architecture.errors import InputError, misplaced
from architecture.loading import design_names, design_tree
from architecture.schema import DIALECT
from architecture.stations import KIND, ROUNDING, CustomerClass, StationSpec, Trace
from architecture.validation import validated
from architecture.values import Name, NonNegative, Positive, Strict
from architecture.yaml_files import read_yaml

NETWORKS = Path(__file__).parent / "networks"


class Change(Strict):
    """Something that happens to a station at a time."""

    at_s: NonNegative
    station: Name
    action: Literal["pause", "resume", "crash", "set-servers"] = Field(
        description="crash: everybody inside is lost, nobody is served until 'resume'"
    )
    servers: int | None = Field(default=None, ge=1, description="for set-servers")

    @model_validator(mode="after")
    def _servers_to_set(self) -> Self:
        if (self.action == "set-servers") != (self.servers is not None):
            raise misplaced("servers", "goes together with 'action: set-servers'")
        return self


class RunLength(Strict):
    """How long and how often the network is simulated."""

    duration_s: Positive = Field(description="observed time of each replication")
    warmup_s: NonNegative | None = Field(
        default=None,
        description="time before that is not observed; left out: decided by MSER-5; 0: none",
    )
    replications: int = Field(default=12, ge=2, le=100_000)


class StationNetwork(Strict):
    """Classes of customers who move between stations."""

    kind: Literal["station-network"]
    name: Name
    title: str = ""
    description: str = ""
    run: RunLength
    classes: dict[Name, CustomerClass] = Field(min_length=1)
    stations: dict[Name, StationSpec] = Field(min_length=1)
    timetable: tuple[Change, ...] = ()

    @model_validator(mode="after")
    def _stations_exist(self) -> Self:
        known = ", ".join(self.stations)
        for name, customers in self.classes.items():
            places = {f"classes.{name}.starts_at": customers.starts_at}
            for station, targets in customers.routing.items():
                if station not in self.stations:
                    raise misplaced(f"classes.{name}.routing", f"no station '{station}'", known)
                places[f"classes.{name}.routing.{station}"] = targets
            for key, targets in places.items():
                for station in targets:
                    if station not in self.stations:
                        raise misplaced(key, f"no station '{station}'", known)
        for number, change in enumerate(self.timetable):
            if change.station not in self.stations:
                key = f"timetable.{number}.station"
                raise misplaced(key, f"no station '{change.station}'", known)
        return self

    @model_validator(mode="after")
    def _everybody_is_served_and_leaves(self) -> Self:
        for name, spec in self.stations.items():
            for known in spec.service_s_by_class:
                if known not in self.classes:
                    raise misplaced(
                        f"stations.{name}.service_s_by_class", f"no class '{known}'",
                        ", ".join(self.classes),
                    )  # fmt: skip
        for name, customers in self.classes.items():
            for station in customers.reachable():
                if self.stations[station].service_of(name) is None:
                    raise misplaced(
                        f"stations.{station}.service_s",
                        f"is required: class '{name}' comes to this station",
                    )
                if not _leads_out(customers, station):
                    raise misplaced(
                        f"classes.{name}.routing.{station}",
                        "from here nobody ever leaves the network",
                        "probabilities that leave a way out",
                    )
        return self

    @model_validator(mode="after")
    def _changes_possible(self) -> Self:
        for number, change in enumerate(self.timetable):
            station = self.stations[change.station]
            key = f"timetable.{number}.servers"
            if change.servers is None:
                continue
            if station.discipline == "delay":
                raise misplaced(key, "a delay has no number of servers")
            if station.capacity is not None and change.servers > station.capacity:
                raise misplaced(
                    key, f"{change.servers} servers exceed the station's capacity",
                    f"1 to {station.capacity}",
                )  # fmt: skip
        return self


def _leads_out(customers: CustomerClass, start: str) -> bool:
    """Whether somebody at ``start`` can leave the network."""
    found = [start]
    for station in found:
        targets = customers.routing.get(station, {})
        if sum(targets.values()) < 1 - ROUNDING:
            return True
        found += [to for to, share in targets.items() if share > 0 and to not in found]
    return False


def network_names() -> tuple[str, ...]:
    """Names of the networks that come with the testbed."""
    return tuple(sorted(path.stem for path in NETWORKS.glob("*.yaml")))


def is_network(name_or_path: str | Path) -> bool:
    """Whether this names a network of stations, not a design. A file that can't be read is none."""
    text = str(name_or_path)
    if text in network_names():
        return True
    if not text.endswith((".yaml", ".yml")):
        return False
    try:
        tree = read_yaml(Path(text))
    except InputError:
        return False
    return isinstance(tree, dict) and tree.get("kind") == KIND


def load_network(name_or_path: str | Path, overrides: Sequence[str] = ()) -> StationNetwork:
    """Read and validate a network; traces are read too, so that the result stands for itself.

    Args:
        name_or_path: Name of a network that comes with the testbed, or path of a YAML file, which
            may say ``extends: FILE`` and give only what differs, as a design may.
        overrides: Items ``a.b.c=value``; the value is read as YAML, ``null`` takes the key away.

    Raises:
        InputError: naming file, key and allowed values.
    """
    text = str(name_or_path)
    path = NETWORKS / f"{text}.yaml" if text in network_names() else Path(text)
    if path.suffix not in {".yaml", ".yml"}:
        allowed = f"{', '.join(network_names())}, or the path of a .yaml file"
        hint = f"; for the design say --design {text}" if text in design_names() else ""
        raise InputError(f"there is no network '{text}'{hint}", where="simulate", allowed=allowed)
    tree = design_tree(path, overrides)
    where = str(path)
    return validated(StationNetwork, _with_traces(tree, path.parent, where, ()), where=where)


def network_hash(network: StationNetwork) -> str:
    """SHA-256 of the network's content: equal content, equal hash."""
    text = json.dumps(network.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def published_network_schema() -> str:
    """The JSON Schema as ``docs/station-network.schema.json`` holds it."""
    schema = {"$schema": DIALECT, **StationNetwork.model_json_schema(mode="validation")}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _with_traces(tree: Any, folder: Path, where: str, key: tuple[str, ...]) -> Any:
    """The same tree, with the values of traces in place of their files' names."""
    if isinstance(tree, list):
        return [_with_traces(v, folder, where, (*key, str(n))) for n, v in enumerate(tree)]
    if not isinstance(tree, dict):
        return tree
    if tree.get("kind") == "trace":
        values = _column(tree, folder, where, ".".join(key))
        arrivals = key[-1:] == ("arrivals",)
        return (
            {"kind": "listed", "times_s": values}
            if arrivals
            else {"kind": "empirical", "values": values}
        )
    return {k: _with_traces(v, folder, where, (*key, str(k))) for k, v in tree.items()}


def _column(tree: dict[str, Any], folder: Path, where: str, key: str) -> list[float]:
    try:
        trace = validated(Trace, tree, where=where)
    except InputError as error:
        raise InputError(
            error.message, where=where, key=f"{key}.{error.key}", allowed=error.allowed
        ) from None
    path = folder / trace.file
    file_key = f"{key}.file"
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", where=where, key=file_key) from None
    if trace.column not in frame.columns:
        raise InputError(
            f"{path} has no column '{trace.column}'", where=where, key=f"{key}.column",
            allowed=", ".join(map(str, frame.columns)),
        )  # fmt: skip
    column = pd.to_numeric(frame[trace.column], errors="coerce")
    bad = column[column.isna() | (column < 0) | (column == float("inf"))]
    if column.empty or not bad.empty:
        row = "no rows" if column.empty else f"row {int(bad.index[0]) + 1} is no time"
        raise InputError(
            f"{path}, column '{trace.column}': {row}", where=where, key=file_key,
            allowed="numbers of at least 0",
        )  # fmt: skip
    return [float(value) for value in column]
