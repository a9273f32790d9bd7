"""Finding what a stack left behind, anywhere on the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
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


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = 120) -> None:
    """Poll until ``condition`` holds; fail with ``what`` at the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
