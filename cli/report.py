"""`testbed report`: verdicts, from run records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from architecture import InputError
from cli.common import (
    DEFAULT_RUNS,
    JsonOption,
    RunsOption,
    out,
    print_json,
    progress_printer,
)
from evidence import Verdict, list_runs

MARKS = {"held": ("✓", "green"), "refuted": ("✗", "red"), "inconclusive": ("?", "yellow")}
ANSWER_KINDS = ("availability", "capacity-answers")
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
    from reports.report import build_report

    made = build_report(runs or newest_runs(directory), directory, progress_printer())
    if json:
        print_json(made.document)
    else:
        show_verdicts(made.verdicts)
        out.print(f"the report: [bold]{made.page}[/bold]", soft_wrap=True)
    return made.exit_code


def newest_runs(root: Path) -> list[Path]:
    """All evidence about the design that the newest experiment was made on.

    And the newest findings on the doubts, and what was computed of each design's uptime and
    capacity, whatever design they are of.
    """
    found = [run for run in list_runs(root) if run.record.kind in EVIDENCE_KINDS]
    experiments = [run for run in found if run.record.kind == "chaos"] or found
    if not experiments:
        raise InputError(
            "there are no runs to judge", where=str(root), allowed="make some with `testbed demo`"
        )
    wanted = experiments[-1].record.design_hash
    settled = [run.path for run in list_runs(root) if run.record.kind == "findings"]
    answers = {
        (run.record.kind, run.record.design_hash): run.path
        for run in list_runs(root)
        if run.record.kind in ANSWER_KINDS
    }
    evidence = [run.path for run in found if run.record.design_hash == wanted]
    return [*evidence, *settled[-1:], *answers.values()]


def show_verdicts(found: Sequence[Verdict]) -> None:
    """Print the verdicts, those that rest on evidence first."""
    from reports import wording

    tested = [verdict for verdict in found if verdict.n or verdict.verdict != "inconclusive"]
    for verdict in tested:
        mark, colour = MARKS[verdict.verdict]
        out.print(
            f"[{colour}]{mark} {verdict.verdict:<12}[/{colour}] "
            f"[bold]{verdict.objective}[/bold]  {verdict.title}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
        facts = [f"promised {wording.target(verdict.target, verdict.unit)}"]
        for word, value in (("predicted", verdict.predicted), ("measured", verdict.measured)):
            if value is not None:
                facts.append(f"{word} {wording.estimate(value, verdict.unit)}")
        facts += [f"n {verdict.n}", verdict.reason]
        out.print(f"               {' · '.join(facts)}", soft_wrap=True, highlight=False)
    if untested := [_untested(verdict) for verdict in found if verdict not in tested]:
        out.print(
            f"? not tested by these runs: {', '.join(untested)}", soft_wrap=True, highlight=False
        )


def _untested(verdict: Verdict) -> str:
    from reports import wording

    if verdict.predicted is None:
        return verdict.objective
    return f"{verdict.objective} (predicted {wording.interval(verdict.predicted, verdict.unit)})"
