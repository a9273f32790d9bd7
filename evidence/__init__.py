"""Floor 1: run records, estimates and three-valued verdicts. Knows no part above it."""

from evidence.estimate import Estimate
from evidence.record import Run, RunRecord, RunWriter, list_runs, load_run
from evidence.verdict import Outcome, Verdict, exit_code

__all__ = [
    "Estimate",
    "Outcome",
    "Run",
    "RunRecord",
    "RunWriter",
    "Verdict",
    "exit_code",
    "list_runs",
    "load_run",
]
