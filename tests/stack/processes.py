"""Finding what a stack left behind, anywhere on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def processes_of(directory: Path) -> list[psutil.Process]:
    """Processes that have ``directory`` in their command line, zombies apart."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        alive = process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
        if alive and any(str(directory) in word for word in words):
            found.append(process)
    return found
