"""`testbed simulate`, `predict`, `calibrate`: what the models say, and what they are fed with."""

from __future__ import annotations

import json as json_library
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from rich.table import Table

from architecture import Design, InputError, load_design
from cli.common import (
    DEFAULT_RUNS,
    DEFAULT_STACK,
    DesignOption,
    JsonOption,
    Progress,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
    progress_printer,
)
from evidence import Estimate, load_run
from reference_stack.errors import StackError

if TYPE_CHECKING:
    from simulator.flush_times import FlushTimes
    from simulator.hospital import CapacityResult
    from simulator.step_times import StepTimesRange


class Measured(TypedDict):
    """What was measured of this machine; None where the catalogue or an estimate has to do."""

    step_times: StepTimesRange | None
    flush_times: FlushTimes | None


UNMEASURED: Measured = {"step_times": None, "flush_times": None}

CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="folder of a calibration run; the catalogue when left out"),
]


REPLICATIONS = 10
FLUSHES = 300


def simulate(
    network: Annotated[
        str | None,
        typer.Argument(help="a network of stations: its YAML file or name; else the design"),
    ] = None,
    design: DesignOption = "local",
    override: SetOption = None,
    users: Annotated[int | None, typer.Option("--users", min=1, help="clinicians")] = None,
    replications: Annotated[
        int | None, typer.Option("--replications", min=2, help="10, or what the network says")
    ] = None,
    day: Annotated[bool, typer.Option("--day", help="play the workload's 24 hours")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="what strikes when; repeatable", metavar="FAULT@S[+LASTS]"),
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", min=60, help="observed seconds")
    ] = None,
    calibration: CalibrationOption = None,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Simulate a design's users: latencies, utilisation, first bottleneck, and minute by minute.

    Or any network of stations of your own: `testbed simulate my-network.yaml`.
    Example: `testbed simulate --design dual-m3-ultra --fault primary-power-loss@600`
    """
    if network is not None:
        from cli.network import run_network_command

        run_network_command(
            network, override=override or (), seed=seed, replications=replications,
            duration_s=duration, runs=runs, json=json,
        )  # fmt: skip
        return
    from cli.scenario import scenario_of
    from simulator.figures import figures_for
    from simulator.hospital import simulate as simulate_design
    from simulator.recording import record_simulation

    system = load_design(design, override or ())
    replications = replications or REPLICATIONS
    scenario = scenario_of(
        system, users=users, day=day, faults=fault or (), duration_s=duration
    )  # fmt: skip
    figures = figures_for(system, **_measured(calibration, system))
    result = simulate_design(
        system, figures, seed=seed, replications=replications, scenario=scenario
    )
    path = record_simulation(
        system, result, runs, seed=seed,
        parameters={
            "users": users, "replications": replications, "day": day, "faults": list(fault or ()),
            "duration_s": scenario.duration_s,
        },
    )  # fmt: skip
    if json:
        print_json({"design": system.name, "run": path.name, **result.document()})
        return
    _show_simulation(system, result)
    out.print(f"recorded in {path}", soft_wrap=True)


def _show_simulation(system: Design, result: CapacityResult) -> None:
    table = Table(
        "operation",
        "mean s",
        "p50 s",
        "p99 s",
        "p95 s, 95 % interval",
        "per second",
        title=system.title,
    )
    for name, journey in result.journeys.items():
        latency = journey["latency_s"]
        cells = [f"{latency[key].estimate:.3g}" for key in ("mean", "p50", "p99")]
        rate = f"{journey['throughput_per_s'].estimate:.3g}"
        table.add_row(name, *cells, _words(latency["p95"]), rate)
    out.print(table)
    stations = Table("station", "utilisation", "mean wait s", "mean queue")
    for name, station in result.stations.items():
        waits = (f"{station[key].estimate:.3g}" for key in ("wait_s", "queue_length"))
        stations.add_row(name, _words(station["utilisation"]), *waits)
    out.print(stations)
    out.print(f"first bottleneck: [bold]{result.bottleneck}[/bold]")
    failed = {name: share for name, share in result.failures().items() if share}
    if failed:
        shares = ", ".join(
            f"{name.replace('_', ' ')} {share:.2%}" for name, share in failed.items()
        )
        out.print(f"attempts that failed: {shares}")


def predict(
    design: DesignOption = "local",
    override: SetOption = None,
    calibration: CalibrationOption = None,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Predict what an experiment will measure, and record it before the experiment.

    Example: `testbed predict --design dual-m3-ultra`
    """
    system = load_design(design, override or ())
    path = record_prediction(system, runs, seed, _measured(calibration, system), progress_printer())
    outcome = load_run(path).record.outcome
    if json:
        print_json({"run": path.name, **outcome})
        return
    show_predictions(system, path)


def calibrate(
    design: DesignOption = "local",
    override: SetOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Time the language model and the disk on this machine, for the simulator.

    Example: `testbed calibrate`
    """
    system = load_design(design, override or ())
    path = run_calibration(system, runs, DEFAULT_STACK.parent, progress_printer())
    if json:
        print_json({"run": path.name, **load_run(path).record.outcome})
    else:
        out.print(f"recorded in {path}", soft_wrap=True)


def run_calibration(design: Design, root: Path, folder: Path, progress: Progress) -> Path:
    """Time the model's steps and the disk's flushes, and record a ``calibration`` run.

    The model is timed in a process of its own. ``folder`` is on the disk that the stack will use.
    """
    import pandas as pd

    from reference_stack.database.flush_timing import time_flushes
    from reference_stack.models import ensure_model, model_cache
    from simulator.calibration import fit_step_times, record_calibration
    from simulator.figures import THIS_MACHINE

    model = ensure_model(design.inference.model, model_cache(), progress)
    progress(f"timing {design.inference.model} on this machine")
    # A process of its own: the fast BLAS must be bound before MLX is first imported.
    timing = subprocess.run(
        [
            sys.executable, "-m", "reference_stack.inference.timing",
            "--model-dir", str(model), "--json",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if timing.returncode != 0:
        raise StackError(f"the model could not be timed: {timing.stderr.strip()[-500:]}")
    document: dict[str, Any] = json_library.loads(timing.stdout)
    rows = pd.DataFrame(document["rows"])
    progress("timing the disk's flushes")
    return record_calibration(
        rows, fit_step_times(rows), design, root, hardware=THIS_MACHINE,
        flushes_s=time_flushes(folder.absolute(), FLUSHES),
    )  # fmt: skip


def record_prediction(
    design: Design, root: Path, seed: int, measured: Measured, progress: Progress
) -> Path:
    """Predict, and write the ``prediction`` run."""

    from simulator.prediction import predict as predict_design
    from simulator.prediction import record

    return record(predict_design(design, seed=seed, progress=progress, **measured), root)


def measured_by(calibration: Path, design: Design) -> Measured:
    """What a calibration run found, as the simulator takes it."""
    from simulator.calibration import calibrated_flush_times, calibrated_step_times

    run = load_run(calibration)
    return {
        "step_times": calibrated_step_times(run, design.inference.model),
        "flush_times": calibrated_flush_times(run),
    }


def show_predictions(design: Design, path: Path) -> None:
    """Print a prediction run's intervals beside what is promised."""
    from reports import wording

    predictions = load_run(path).record.outcome["predictions"]
    if not isinstance(predictions, dict):
        return
    out.print("[bold]Predicted[/bold] (95 % of such trials; of uptime: 95 % of single years)")
    for objective in design.objectives:
        if objective.id in predictions:
            estimate = Estimate.model_validate(predictions[objective.id])
            unit = wording.UNITS[objective.metric]
            out.print(
                f"  [bold]{objective.id}[/bold]  {objective.title}: "
                f"{wording.estimate(estimate, unit)}, "
                f"promised {wording.target(objective.target, unit)}",
                soft_wrap=True, highlight=False,
            )  # fmt: skip


def _measured(calibration: Path | None, design: Design) -> Measured:
    from simulator.figures import THIS_MACHINE

    if calibration is None:
        return UNMEASURED
    sites = design.sites_with("inference")
    if not sites or design.sites[sites[0]].hardware != THIS_MACHINE:
        raise InputError(
            f"speaks of {THIS_MACHINE}, the design's model runs on other hardware",
            where="--calibration",
        )
    return measured_by(calibration, design)


def _words(estimate: Estimate) -> str:
    return f"{estimate.estimate:.3g} [{estimate.lower:.3g}, {estimate.upper:.3g}]"
