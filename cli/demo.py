"""`testbed demo`: the whole loop, once, on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from architecture import load_design
from architecture.errors import InputError
from cli.common import (
    DEFAULT_RUNS,
    DesignOption,
    InstanceOption,
    JsonOption,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
    progress_printer,
)
from cli.predict import measured_by, record_prediction, run_calibration, show_predictions
from cli.report import show_verdicts
from cli.stack import parse_instance

EXPERIMENT = "primary-power-loss"
DEMO_STACK = Path(".cache/demo-stack")


def demo(
    design: DesignOption = "local",
    override: SetOption = None,
    users: Annotated[int, typer.Option("--users", min=1, help="clinicians at work")] = 200,
    seed: SeedOption = 1,
    instance: InstanceOption = "auto",
    directory: Annotated[
        Path, typer.Option("--dir", help="where the stack's files go while it runs")
    ] = DEMO_STACK,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> int:
    """Predict, run, load, break, measure and judge: ends with the report.

    The machine's language model and disk are timed, the failover predicted and recorded; then the
    stack comes up, clinicians work on it, and the primary's site loses power under them. A probe
    asks the chat all the while, which few clinicians do.
    Exit code 0 nothing refuted, 1 a promise refuted, 3 more evidence is needed.
    Example: `testbed demo --users 200 --seed 7`
    """
    from chaos.experiment import run_experiment
    from reference_stack.bringup import running
    from reference_stack.possible import as_far_as_possible
    from reference_stack.preconditions import require_fit_machine
    from reports.report import build_report

    progress = progress_printer()
    system = load_design(design, [*(override or ()), f"workload.users={users}"])
    number = parse_instance(instance)
    if system.database.cloud_standby is None or len(system.database.sites) < 2:  # noqa: PLR2004
        raise InputError(
            f"design '{system.name}' has no pair of nodes with a cloud standby to run",
            where="--design", allowed="local, or a design that extends it",
        )  # fmt: skip
    stack = directory.absolute()
    programs, reservation = require_fit_machine(system, stack, number, progress)
    reservation.release()
    # What is predicted must be what will run, or no report can set one beside the other.
    possible = as_far_as_possible(system, programs.paths)
    if possible != system:
        progress("programs are missing (see testbed doctor): left out is what needs them")
    system = possible
    calibration = run_calibration(system, runs, stack.parent, progress)
    progress("predicting, before anything runs")
    prediction = record_prediction(system, runs, seed, measured_by(calibration, system), progress)
    if not json:
        show_predictions(system, prediction)
    with running(system, stack, instance=number, seed=seed, progress=progress) as handle:
        progress(f"clients reach the stack at {handle.api_url}")
        experiment = run_experiment(
            EXPERIMENT, handle, users=users, seed=seed, root=runs,
            prediction_run=prediction.name, progress=progress,
        )  # fmt: skip
    shutil.rmtree(stack, ignore_errors=True)
    made = build_report([calibration, prediction, experiment], runs, progress)
    if json:
        print_json(made.document)
    else:
        show_verdicts(made.verdicts)
        out.print(f"the report: [bold]{made.page}[/bold]", soft_wrap=True)
        command = "testbed" if shutil.which("testbed") else os.path.relpath(sys.argv[0])
        out.print(f"look around in it: [bold]{command} dashboard[/bold]", soft_wrap=True)
    return made.exit_code
