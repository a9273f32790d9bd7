"""Finished replications on disk, so that interrupted work goes on where it stopped.

A folder a task: ``<root>/<key>/`` with ``identity.json`` (what it is about, for people) and
``chunk-….json`` files of finished replications. The key is a hash of the identity (design and
parameters), the seed and the code's version, so results of other code are never mixed in. Files
appear whole or not at all; the whole cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from evidence.record import RecordError
from simulator.replications.task import Metrics

KEY_CHARACTERS = 32


class StoreError(RecordError):
    """The cache of replications cannot be read or written; the message names the path."""


class Store:
    """The finished replications of one task with one seed. Several processes may share it."""

    def __init__(
        self, root: Path, identity: Mapping[str, JsonValue], *, seed: int, code: str
    ) -> None:
        """
        Args:
            root: Folder of the cache; it is made when something is saved.
            identity: Everything the task's numbers depend on, as JSON: the design's hash, the
                target's name and its parameters.
            seed: Of the replications.
            code: :func:`simulator.replications.code_version` of the task.
        """
        self._identity = {"identity": dict(identity), "seed": seed, "code": code}
        text = json.dumps(self._identity, sort_keys=True, ensure_ascii=False)
        self.folder = root / hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]

    def load(self) -> dict[int, Metrics]:
        """Finished replications by number; files that a crash left unreadable are ignored.

        Raises:
            StoreError: when the folder cannot be read.
        """
        found: dict[int, Metrics] = {}
        try:
            for file in self._chunks():
                found.update(_read(file))
        except OSError as error:
            raise StoreError(f"{self.folder}: {error}") from error
        return found

    def save(self, finished: Mapping[int, Metrics]) -> None:
        """Keep further replications, in one file.

        Raises:
            StoreError: when it cannot be written (a full disk); nothing half-written is left.
        """
        if not finished:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            identity = self.folder / "identity.json"
            if not identity.exists():
                _write_whole(identity, self._identity)
            rows = {str(number): finished[number] for number in sorted(finished)}
            _write_whole(self.folder / f"chunk-{uuid.uuid4().hex}.json", rows)
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot keep replications: {error}") from error

    def compact(self) -> None:
        """Put all chunks into one file.

        Raises:
            StoreError: when it cannot be written; nothing is lost then.
        """
        old = self._chunks()
        if len(old) > 1:
            self.save(self.load())
            for file in old:
                file.unlink(missing_ok=True)

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*.json"))


def _read(file: Path) -> dict[int, Metrics]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return {
            int(number): {metric: float(value) for metric, value in metrics.items()}
            for number, metrics in rows.items()
        }
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        # Another process compacted it away, or it is damaged: its replications are made again.
        return {}


def _write_whole(file: Path, document: object) -> None:
    """Write beside and rename: readers and crashes see all of it or nothing."""
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            json.dump(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
