"""`testbed report`: verdicts, from run records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from architecture import InputError
from cli.common import (
    DEFAULT_RUNS,
    JsonOption,
    RunsOption,
    out,
    print_json,
    progress_printer,
)
from evidence import Estimate, Verdict, list_runs
from reports.report import build_report

COLOURS = {"held": "green", "refuted": "red", "inconclusive": "yellow"}
EVIDENCE_KINDS = ("calibration", "prediction", "load", "chaos")


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Option("--runs", help="folders of the runs to judge; the newest ones when left out"),
    ] = None,
    directory: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> int:
    """Judge runs and write the report, from their records alone.

    Without --runs: all runs of the newest chaos run's design, the same to the last key.
    Exit code 1 when a promise is refuted, 3 when the evidence does not suffice.
    Example: `testbed report --runs runs/A --runs runs/B`
    """
    made = build_report(runs or newest_runs(directory), directory, progress_printer())
    if json:
        print_json(made.document)
    else:
        show_verdicts(made.verdicts)
        out.print(f"the report: [bold]{made.page}[/bold]", soft_wrap=True)
    return made.exit_code


def newest_runs(root: Path) -> list[Path]:
    """All evidence about the design that the newest experiment was made on."""
    found = [run for run in list_runs(root) if run.record.kind in EVIDENCE_KINDS]
    experiments = [run for run in found if run.record.kind == "chaos"] or found
    if not experiments:
        raise InputError(
            "there are no runs to judge", where=str(root), allowed="make some with `testbed demo`"
        )
    wanted = experiments[-1].record.design_hash
    return [run.path for run in found if run.record.design_hash == wanted]


def show_verdicts(found: Sequence[Verdict]) -> None:
    """Print verdicts as a table."""
    table = Table("objective", "promised", "predicted", "measured", "n", "verdict", "because")
    for verdict in found:
        colour = COLOURS[verdict.verdict]
        needed = f" of {verdict.needed}" if verdict.needed else ""
        table.add_row(
            f"[bold]{verdict.objective}[/bold]\n{verdict.title}",
            f"{verdict.target} {verdict.unit}",
            _interval(verdict.predicted),
            _interval(verdict.measured),
            f"{verdict.n}{needed}",
            f"[{colour}]{verdict.verdict}[/{colour}]",
            verdict.reason,
        )
    out.print(table)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    if math.isinf(estimate.upper) or estimate.lower == estimate.upper:
        return f"{estimate.estimate:.3g}"
    return f"{estimate.estimate:.3g}\n{estimate.lower:.3g} to {estimate.upper:.3g}"
