"""Where the dashboard looks."""

from __future__ import annotations

import os
from pathlib import Path

ROOT_VARIABLE = "PRONTUARIO_RUNS"


def runs_root() -> Path:
    """The folder of runs: ``PRONTUARIO_RUNS``, else ``runs`` in the working directory."""
    return Path(os.environ.get(ROOT_VARIABLE, "runs"))
