"""What was done to the system, and when: the ``faults`` table while it is being made.

Actions and probes share nothing but this file, so that an experiment also runs by hand with Chaos
Toolkit's own command line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pandas as pd

FAULT_TYPES: Final = {
    "fault": "str", "site": "str", "injected_s": "float64", "landed_s": "float64",
    "restored_s": "float64", "confirmed": "bool", "detail": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One fault; ``site`` names what it struck, several with commas.

    Times are seconds of CLOCK_MONOTONIC, NaN for what has not happened.

    ``injected_s`` is when it was asked for, ``landed_s`` when it was in force, ``restored_s`` when
    the site was started again. ``confirmed`` says that a probe saw it in force from outside.
    """

    fault: str
    site: str
    injected_s: float
    landed_s: float = math.nan
    restored_s: float = math.nan
    confirmed: bool = False
    detail: str = ""

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites it struck."""
        return tuple(self.site.split(", "))


def read_faults(log: Path) -> list[Fault]:
    """The faults so far; none when there is no log."""
    if not log.exists():
        return []
    return [Fault(**row) for row in json.loads(log.read_text(encoding="utf-8"))]


def write_faults(log: Path, faults: Sequence[Fault]) -> None:
    """Replace the log."""
    partial = log.with_name(f".{log.name}")
    partial.write_text(json.dumps([asdict(fault) for fault in faults]), encoding="utf-8")
    partial.replace(log)


def faults_table(faults: Sequence[Fault]) -> pd.DataFrame:
    """The ``faults`` table."""
    rows = [asdict(fault) for fault in faults]
    return pd.DataFrame(rows, columns=list(FAULT_TYPES)).astype(FAULT_TYPES)
