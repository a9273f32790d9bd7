"""Audit events on this node's own disk, while the database can't take them.

Each file holds one canonical event a line and is flushed to the disk before anybody is answered.
Files of a process that died are taken over by the next one in the same folder.
"""

import logging
import os
import threading
from collections.abc import Sequence
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

    def take(self) -> tuple[list[Path], list[AuditEvent]]:
        """All files and their events; what is appended from now on goes to another file."""
        with self._lock:
            self._current = None
            paths = sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []
        return paths, [event for path in paths for event in _events(path)]

    def discard(self, paths: Sequence[Path]) -> None:
        """Remove files whose events are safe elsewhere."""
        for path in paths:
            path.unlink(missing_ok=True)


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


def _events(path: Path) -> list[AuditEvent]:
    """The file's events. A last line without an end was never acknowledged to anybody."""
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        logger.warning("%s: an event cut off by a crash is left out", path)
    found = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            found.append(AuditEvent.from_canonical(line))
        except ValueError as error:
            # Kept for a person to look at: it must not stop the others.
            logger.error("%s:%d: %s", path, number, error)  # noqa: TRY400 - no traceback needed
            with path.with_suffix(".damaged").open("ab") as damaged:
                damaged.write(line + b"\n")
    return found
