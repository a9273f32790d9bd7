"""What PostgreSQL calls for each WAL file it has filled: ``archive_command``.

PostgreSQL archives in a process of its own: while this fails, commits go on and it is tried again.
Two things are seen to here. It fails at once when the bucket is out of reach, so that a stop of the
server (which waits for one last try) is not held up. And as PostgreSQL keeps each file until it is
archived, a bucket that stays away would fill the primary's disk: beyond a limit files are let go,
and the gap is marked so that a new base backup is made as soon as the bucket is back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from architecture.values import Strict
from reference_stack.database.backup import BackupError, BackupStore, archive_segment, reachable

SEGMENT_BYTES = 16 * 1024**2


class ArchiveSettings(Strict):
    """``archive.json`` of a database site.

    ``most_waiting`` files may wait for the bucket; ``gap`` is the file that marks a gap.
    """

    store: BackupStore
    timeout_s: float
    most_waiting: int
    gap: Path


def archive(settings: ArchiveSettings, path: Path) -> str | None:
    """Archive one file; returns what to log, if anything.

    Raises:
        BackupError: when PostgreSQL should keep the file and try again.
    """
    if reachable(settings.store):
        archive_segment(settings.store, path, settings.timeout_s)
        return None
    waiting = len(list((path.parent / "archive_status").glob("*.ready")))
    if waiting <= settings.most_waiting:
        raise BackupError(f"the bucket is out of reach, {waiting} WAL files wait for it")
    settings.gap.touch()
    return f"{path.name} is let go: the bucket is out of reach and {waiting} WAL files wait for it"


def main() -> None:
    """Entry point: ``python -m reference_stack.database.wal_archive --settings FILE PATH``."""
    parser = argparse.ArgumentParser(prog="reference_stack.database.wal_archive")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    settings = ArchiveSettings.model_validate_json(arguments.settings.read_text(encoding="utf-8"))
    try:
        said = archive(settings, arguments.path)
    except BackupError as error:
        sys.exit(f"archive: {error}")
    if said is not None:
        sys.stderr.write(f"archive: {said}\n")


if __name__ == "__main__":
    main()
