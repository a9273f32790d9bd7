"""Audit events on this node's own disk, while the database can't take them.

Each file holds one canonical event a line and is flushed to the disk before anybody is answered.
Files of a process that died are taken over by the next one in the same folder.
"""

import logging
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import uuid4

from reference_stack.api.audit_event import AuditEvent

logger = logging.getLogger(__name__)


class Spool:
    """A folder of spooled events; its methods block, and are safe to call from threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._current: Path | None = None

    def append(self, event: AuditEvent) -> None:
        """Write an event durably; raises `OSError`."""
        with self._lock:
            if self._current is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._current = self._folder / f"{uuid4()}.jsonl"
                descriptor = os.open(self._current, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
                _flush_folder(self._folder)
            else:
                descriptor = os.open(self._current, os.O_WRONLY | os.O_APPEND)
            try:
                _write_whole(descriptor, event.canonical() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def oldest(self) -> Path | None:
        """The file to bring away next; None when there is none.

        While there are others the one that is written to stays, so that a long outage fills one
        file and not one for each attempt to bring them away.
        """
        with self._lock:
            paths = sorted(self._folder.glob("*.jsonl"), key=_age) if self._folder.is_dir() else []
            others = [path for path in paths if path != self._current]
            if not others:
                self._current = None
                return paths[0] if paths else None
            return others[0]

    def discard(self, path: Path) -> None:
        """Remove a file whose events are safe elsewhere; one that was damaged is set aside."""
        damaged = sum(event is None for event in _lines(path))
        if damaged:
            aside = path.with_suffix(".damaged")
            logger.error("%d events that cannot be read stay in %s", damaged, aside)
            path.rename(aside)
        else:
            path.unlink(missing_ok=True)


def events_of(path: Path, batch: int) -> Iterator[list[AuditEvent]]:
    """The events of a file that can be read, at most ``batch`` at a time."""
    events = (event for event in _lines(path) if event is not None)
    while found := list(islice(events, batch)):
        yield found


def _lines(path: Path) -> Iterator[AuditEvent | None]:
    """Each whole line's event, None for what is none.

    A last line without an end was cut off by a crash and never acknowledged to anybody.
    """
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                yield AuditEvent.from_canonical(line)
            except ValueError:
                yield None


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _write_whole(descriptor: int, line: bytes) -> None:
    """All or nothing of a line: half of one would spoil the next."""
    start = os.lseek(descriptor, 0, os.SEEK_END)
    written = os.write(descriptor, line)
    if written != len(line):
        os.ftruncate(descriptor, start)
        raise OSError(f"only {written} of {len(line)} bytes of an audit event could be written")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
