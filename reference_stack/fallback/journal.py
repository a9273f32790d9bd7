"""The controller's memory: JSON lines, each on the disk before anything is done about it."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from reference_stack.durable import sync
from reference_stack.errors import StackError
from reference_stack.fallback.state import Entry, Kind, State, follow

JOURNAL_FILE = "journal.jsonl"


class JournalHeldError(StackError):
    """Another process leads: the controller, or a person by hand."""


class Journal:
    """Appends entries durably and holds the state they amount to.

    One process at a time has it: the lock goes with the process, however that ends.
    """

    def __init__(self, folder: Path, nodes: tuple[str, ...]) -> None:
        """Read what is there; a last line cut off by a crash never happened.

        Raises:
            JournalHeldError: when another process holds it.
            StackError: when a line within it can't be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / JOURNAL_FILE
        self._file = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JournalHeldError(
                f"{self._path}: another process leads (the controller lives?)"
            ) from None
        sync(folder)
        self._state = State(nodes)
        for entry in self._read():
            self._state = follow(self._state, entry)

    @property
    def state(self) -> State:
        """The state after the last entry."""
        return self._state

    def append(self, kind: Kind, step: str | None = None, **detail: Any) -> State:
        """Write an entry to the disk, then believe it.

        Raises:
            JournalError: when it can't follow; nothing is written then.
        """
        entry = Entry(at=datetime.now(UTC).isoformat(), kind=kind, step=step, detail=detail)
        state = follow(self._state, entry)
        self._file.write(entry.model_dump_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._state = state
        return state

    def close(self) -> None:
        """Let another process have it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def _read(self) -> list[Entry]:
        self._file.seek(0)
        content = self._file.read()
        whole, newline, _ = content.rpartition(b"\n")
        if len(whole) + len(newline) < len(content):
            self._file.truncate(len(whole) + len(newline))
            os.fsync(self._file.fileno())
        entries = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entries.append(Entry.model_validate_json(line))
            except ValidationError as error:
                raise StackError(f"{self._path}: line {number} is not an entry: {error}") from None
        return entries


def entries(folder: Path) -> list[Entry]:
    """The entries so far, for readers; a last line that is being written is left out."""
    try:
        whole = (folder / JOURNAL_FILE).read_bytes().rpartition(b"\n")[0]
    except FileNotFoundError:
        return []
    return [Entry.model_validate_json(line) for line in whole.splitlines()]
