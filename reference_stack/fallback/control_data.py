"""A PostgreSQL data directory's control file, as ``pg_controldata`` tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from reference_stack.errors import StackError

TIMEOUT_S = 10.0


def control_data(data_directory: Path, programs: Path) -> dict[str, str]:
    """Values by their labels in ``pg_controldata``'s English.

    Raises:
        StackError: when there is no readable control file.
    """
    asked = subprocess.run(
        [str(programs / "pg_controldata"), "-D", str(data_directory)],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if asked.returncode != 0:
        raise StackError(f"{data_directory}: {asked.stderr.strip()}")
    pairs = (line.split(":", 1) for line in asked.stdout.splitlines() if ":" in line)
    return {label: value.strip() for label, value in pairs}


def lsn_bytes(lsn: str) -> int:
    """A position like ``0/50000A0`` in bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)
