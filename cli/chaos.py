"""`testbed chaos`: experiments that break a running stack and measure what clients see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import (
    DEFAULT_RUNS,
    DEFAULT_STACK,
    JsonOption,
    RunsOption,
    SeedOption,
    StackOption,
    out,
    print_json,
    progress_printer,
)
from cli.predict import UNMEASURED, record_prediction
from cli.report import show_verdicts
from evidence import exit_code, load_run

app = typer.Typer(help="Break the running stack, and measure.", no_args_is_help=True)


@app.command("list")
def list_experiments(json: JsonOption = False) -> None:
    """List the experiments. Example: `testbed chaos list`"""
    from chaos.toolkit import experiment_names, load_experiment

    titles = {name: load_experiment(name)["title"] for name in experiment_names()}
    if json:
        print_json([{"name": name, "title": title} for name, title in titles.items()])
        return
    for name, title in titles.items():
        out.print(f"[bold]{name:<22}[/bold] {title}", soft_wrap=True)


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="one of `testbed chaos list`")],
    users: Annotated[int, typer.Option("--users", min=1, help="clinicians at work")] = 200,
    prediction: Annotated[
        Path | None,
        typer.Option("--prediction", help="folder of a prediction run; made first when left out"),
    ] = None,
    directory: StackOption = DEFAULT_STACK,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> int:
    """Run one experiment on the running stack, under load, and judge what it shows.

    Exit code 1 when a promise is refuted, 3 when the evidence does not suffice.
    Example: `testbed chaos run primary-power-loss --users 200`
    """
    from chaos.experiment import run_experiment
    from chaos.toolkit import load_experiment
    from reference_stack.handle import StackHandle
    from reports.judge import verdicts

    progress = progress_printer()
    load_experiment(experiment)  # an unknown name is told before a stack is looked for
    handle = StackHandle.attach(directory.absolute())
    if prediction is None:
        prediction = record_prediction(handle.design, runs, seed, UNMEASURED, progress)
    path = run_experiment(
        experiment, handle, users=users, seed=seed, root=runs,
        prediction_run=prediction.name, progress=progress,
    )  # fmt: skip
    found = verdicts([load_run(prediction), load_run(path)], handle.design)
    if json:
        documents = [verdict.model_dump(mode="json") for verdict in found]
        print_json({"run": path.name, "verdicts": documents})
    else:
        show_verdicts(found)
        out.print(f"recorded in {path}", soft_wrap=True)
    return exit_code(found)
