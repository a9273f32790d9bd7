"""`testbed load`: clinicians at work on a running stack."""

from __future__ import annotations

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
from evidence import load_run


def load(
    users: Annotated[int, typer.Option("--users", min=1, help="clinicians at work")] = 200,
    duration_s: Annotated[
        float, typer.Option("--duration", min=1, max=3600, help="seconds after all have arrived")
    ] = 60,
    directory: StackOption = DEFAULT_STACK,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Let clinicians work on the running stack, and record every request they make.

    Needs `testbed stack up --set workload.users=N` for N above 200.
    Example: `testbed load --users 200 --duration 120`
    """
    from load.run import run_load
    from reference_stack.handle import StackHandle

    path = run_load(
        StackHandle.attach(directory.absolute()), users=users, duration_s=duration_s, seed=seed,
        root=runs, progress=progress_printer(),
    )  # fmt: skip
    run = load_run(path)
    if json:
        print_json({"run": run.name, **run.record.outcome})
        return
    outcome = run.record.outcome
    out.print(
        f"{outcome['answered']} of {outcome['requests']} requests answered, "
        f"{outcome['throughput_per_s']:.1f} a second, {outcome['errors']} failed attempts",
        highlight=False,
    )
    requests = run.table("requests")
    answered = requests[requests["outcome"] == "ok"]
    waits = (answered["finished_s"] - answered["intended_s"]).groupby(answered["operation"])
    for operation, wait in waits:
        p50, p95, p99 = wait.quantile([0.5, 0.95, 0.99])
        out.print(
            f"  {operation:<7} p50 {p50:7.3f} s   p95 {p95:7.3f} s   p99 {p99:7.3f} s   "
            f"n {len(wait)}", highlight=False,
        )  # fmt: skip
    out.print(f"recorded in {path}", soft_wrap=True)
