"""Ending the controller at a named point, so that tests can show that it doesn't matter where.

Points come from the environment (``FALLBACK_CRASH_AFTER``, comma separated) and from the file
``crash-points`` in the journal's folder, one a line. Each is honoured once, also across restarts.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "FALLBACK_CRASH_AFTER"
WANTED_FILE = "crash-points"
HONOURED_FILE = "crash-points.honoured"


class CrashPoints:
    """Kills this process at the points asked for."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def __call__(self, point: str) -> None:
        """Die here if this point was asked for and has not been honoured yet."""
        if point not in self._wanted() or point in _lines(self._folder / HONOURED_FILE):
            return
        with (self._folder / HONOURED_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{point}\n")
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)

    def _wanted(self) -> set[str]:
        words = self._environment.get(VARIABLE, "").split(",")
        return {word.strip() for word in words if word.strip()} | _lines(self._folder / WANTED_FILE)


def _lines(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return set()
