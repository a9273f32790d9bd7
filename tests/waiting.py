"""Waiting for what a test is about, with a deadline that only a fault reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 120.0


def wait_for(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll until ``condition`` holds; fail with ``what`` at the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s:g} s in vain for {what}"
        time.sleep(0.05)
