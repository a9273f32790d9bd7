"""Ports that stay free until their server binds them, also while a test has it stopped.

What the system hands out for port 0 it hands out again as soon as it is closed: to another worker's
server while this one's is not up yet, or down for a while. These are below the system's own range,
and each process of tests counts through a stretch that it alone has.
"""

from __future__ import annotations

import fcntl
import itertools
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TextIO

FIRST, STRETCH, STRETCHES = 20_000, 200, 60


@cache
def _stretch() -> tuple[TextIO, Iterator[int]]:
    """This process's lock, to be held for as long as it lives, and its ports, round and round."""
    for number in range(STRETCHES):
        path = Path(tempfile.gettempdir()) / f"prontuario-test-ports-{number}"
        try:
            held = path.open("a")
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process's, or another user's
            continue
        first = FIRST + number * STRETCH
        return held, itertools.cycle(range(first, first + STRETCH))
    raise AssertionError("every stretch of ports is taken")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody else's test is given."""
    _, ports = _stretch()
    for port in itertools.islice(ports, STRETCH):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port of this process's stretch is taken")
