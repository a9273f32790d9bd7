"""Run records: a folder a run, written whole or not at all.

``runs/<time>-<kind>-<design>/`` holds ``run.json`` (a :class:`RunRecord`) and one Parquet file a
table. While a run goes on its folder's name starts with ``.partial-``; finishing renames it.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from architecture.design import Design
from architecture.loading import design_hash

if TYPE_CHECKING:
    import pandas as pd  # imported where it is used: it takes most of a second

SCHEMA_VERSION = 1
PARTIAL = ".partial-"
RECORDED_PACKAGES = (
    "prontuario-testbed", "simpy", "numpy", "mlx", "mlx-lm", "patroni", "locust", "chaostoolkit",
)  # fmt: skip


class RecordError(Exception):
    """A run record that can't be read or written; the message names the path."""


class RunRecord(BaseModel):
    """What ``run.json`` holds. Times are UTC, ISO 8601."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    kind: str
    design: str
    design_hash: str
    seed: int | None
    started: str
    finished: str
    host: dict[str, JsonValue]
    versions: dict[str, str]
    parameters: dict[str, JsonValue]
    outcome: dict[str, JsonValue]
    tables: tuple[str, ...] = ()
    design_document: dict[str, JsonValue] = Field(
        description="the whole design as it was used, so that the record stands alone"
    )


class Run:
    """A finished run: its record and its tables."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self.record = record

    @property
    def name(self) -> str:
        """The folder's name, by which reports refer to the run."""
        return self.record.name

    def table(self, name: str) -> pd.DataFrame:
        """Read a table.

        Raises:
            RecordError: when the run has no such table.
        """
        if name not in self.record.tables:
            held = ", ".join(self.record.tables) or "none"
            raise RecordError(f"{self.path}: there is no table '{name}' (tables: {held})")
        import pandas as pd

        return pd.read_parquet(self.path / f"{name}.parquet")


class RunWriter:
    """Writes one run as a context manager.

    Leaving the block normally after :meth:`finish` publishes the run; an exception (Ctrl-C too), or
    leaving without :meth:`finish`, removes what was written.
    """

    def __init__(
        self, root: Path, *, kind: str, design_document: Mapping[str, JsonValue], design_hash: str,
        seed: int | None, parameters: Mapping[str, JsonValue],
    ) -> None:  # fmt: skip
        self._started = datetime.now(UTC)
        self._kind = kind
        self._design_document = dict(design_document)
        self._design = str(design_document["name"])
        self._design_hash = design_hash
        self._seed = seed
        self._parameters = dict(parameters)
        self._root = root
        self._tables: list[str] = []
        self._outcome: dict[str, JsonValue] | None = None
        self.name = ""
        self.path = Path()

    @classmethod
    def of_design(
        cls, root: Path, *, kind: str, design: Design, seed: int | None,
        parameters: Mapping[str, JsonValue],
    ) -> Self:  # fmt: skip
        """A writer of a run that is a record of ``design``, which it keeps whole."""
        return cls(
            root, kind=kind, design_document=json_document(design),
            design_hash=design_hash(design), seed=seed, parameters=parameters,
        )  # fmt: skip

    def __enter__(self) -> Self:
        stamp = self._started.strftime("%Y%m%dT%H%M%S")
        base = f"{stamp}-{self._kind}-{self._design}"
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1000):
                self.name = base if attempt == 1 else f"{base}-{attempt}"
                self.path = self._root / f"{PARTIAL}{self.name}"
                if (self._root / self.name).exists():
                    continue
                try:
                    self.path.mkdir()
                except FileExistsError:
                    continue
                return self
        except OSError as error:
            raise RecordError(f"{self._root}: cannot write run records: {error}") from error
        raise RecordError(f"{self._root}: too many runs named {base}")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write one table as ``<name>.parquet``; a second call replaces it."""
        table.to_parquet(self.path / f"{name}.parquet", index=False)
        if name not in self._tables:
            self._tables.append(name)

    def file(self, name: str) -> Path:
        """Path for a further file of the run (a log, a journal), inside the run's folder."""
        return self.path / name

    def finish(self, outcome: Mapping[str, JsonValue]) -> None:
        """State the outcome; the run is published when the block is left."""
        self._outcome = dict(outcome)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        if exc_type is not None or self._outcome is None:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        record = RunRecord(
            name=self.name,
            kind=self._kind,
            design=self._design,
            design_hash=self._design_hash,
            seed=self._seed,
            started=self._started.isoformat(),
            finished=datetime.now(UTC).isoformat(),
            host=describe_host(),
            versions=_versions(),
            parameters=self._parameters,
            outcome=self._outcome,
            tables=tuple(self._tables),
            design_document=self._design_document,
        )
        (self.path / "run.json").write_text(record.model_dump_json(indent=2), encoding="utf-8")
        final = self._root / self.name
        self.path.rename(final)
        self.path = final


def load_run(path: Path) -> Run:
    """Read one run's record.

    Raises:
        RecordError: when the folder holds no valid record.
    """
    file = path / "run.json"
    try:
        record = RunRecord.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: is no run record: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{file}: {key}: {first['msg']}") from error
    return Run(path, record)


def list_runs(root: Path) -> list[Run]:
    """All finished runs under ``root``, oldest first."""
    if not root.is_dir():
        return []
    folders = [path for path in root.iterdir() if (path / "run.json").is_file()]
    runs = [load_run(path) for path in folders if not path.name.startswith(PARTIAL)]
    return sorted(runs, key=lambda run: (run.record.started, run.name))


def describe_host() -> dict[str, JsonValue]:
    """What matters for comparing figures: system, processor count, Python; never a host name."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def json_document(value: Any) -> dict[str, JsonValue]:
    """A pydantic model as a JSON document, for :class:`RunWriter`."""
    document: dict[str, JsonValue] = value.model_dump(mode="json")
    return document
