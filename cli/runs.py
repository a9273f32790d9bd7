"""`testbed runs`: the records everything is judged by."""

from __future__ import annotations

from typing import Annotated

import typer

from architecture import InputError
from cli.common import DEFAULT_RUNS, JsonOption, RunsOption, out, print_json
from evidence import list_runs

app = typer.Typer(help="List and show run records.", no_args_is_help=True)


@app.command("list")
def list_(runs: RunsOption = DEFAULT_RUNS, json: JsonOption = False) -> None:
    """List the finished runs, oldest first. Example: `testbed runs list`"""
    found = list_runs(runs)
    if json:
        print_json([run.record.model_dump(exclude={"design_document"}) for run in found])
        return
    for run in found:
        record = run.record
        seed = "" if record.seed is None else f"  seed {record.seed}"
        out.print(f"{record.name}  {record.started[:19]}{seed}", soft_wrap=True, highlight=False)
    if not found:
        out.print(f"no runs in {runs} yet: make some with `testbed demo`", soft_wrap=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a run's name, or its end when that is unique")],
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Show one run's record and its tables. Example: `testbed runs show <name>`"""
    matches = [run for run in list_runs(runs) if run.name == name] or [
        run for run in list_runs(runs) if run.name.endswith(name)
    ]
    if len(matches) != 1:
        known = ", ".join(run.name for run in matches or list_runs(runs)) or "none yet"
        raise InputError(f"'{name}' names {len(matches)} runs", where=str(runs), allowed=known)
    run = matches[0]
    if json:
        print_json(run.record.model_dump(mode="json"))
        return
    out.print_json(run.record.model_dump_json(exclude={"design_document"}))
    for table in run.record.tables:
        frame = run.table(table)
        out.print(f"[bold]{table}[/bold]: {len(frame)} rows; {', '.join(frame.columns)}")
