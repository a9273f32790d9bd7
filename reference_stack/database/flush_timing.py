"""How long the disk takes to keep what a commit writes: for predictions, before a stack stands."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

#: One block of PostgreSQL's write-ahead log; most commits of the API fit in one.
BLOCK_BYTES: Final = 8192
#: A segment of the log: written beforehand, as PostgreSQL recycles segments, so that no flush has
#: to make the file longer.
SEGMENT_BYTES: Final = 16 * 1024 * 1024
#: Commits of a hospital do not follow each other at once.
PAUSE_S: Final = 0.005


def time_flushes(folder: Path, count: int) -> list[float]:
    """Write ``count`` blocks as PostgreSQL writes its log and time each flush, in seconds.

    ``fdatasync`` where the system has it (PostgreSQL's default there), else ``fsync``. The file is
    removed afterwards.

    Raises:
        OSError: when the folder cannot be written.
    """
    flush = getattr(os, "fdatasync", os.fsync)
    block = os.urandom(BLOCK_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    taken_s = []
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(SEGMENT_BYTES))
        file.flush()
        os.fsync(file.fileno())
        for number in range(count):
            time.sleep(PAUSE_S)
            began_s = time.perf_counter()
            os.pwrite(file.fileno(), block, number * BLOCK_BYTES % SEGMENT_BYTES)
            flush(file.fileno())
            taken_s.append(time.perf_counter() - began_s)
    return taken_s
