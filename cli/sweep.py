"""`testbed sweep`: what changes when a key of a design does."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from architecture import InputError, load_design
from cli.common import (
    DEFAULT_RUNS,
    DesignOption,
    JsonOption,
    RunsOption,
    SeedOption,
    SetOption,
    out,
    print_json,
)
from cli.replicated import (
    DEFAULT_CACHE,
    CacheOption,
    ClusterOption,
    DurationOption,
    JobsOption,
    MetricOption,
    WarmupOption,
    capacity_target,
    interval_cells,
    on_cluster,
    resumable,
)

if TYPE_CHECKING:
    from simulator.statistics import Precision
    from simulator.sweep import SweepResult, Target

TARGETS = ("capacity", "availability", "failover")
TargetOption = Annotated[
    str, typer.Option("--target", help=f"what is asked of each design: {', '.join(TARGETS)}")
]


def sweep(
    vary: Annotated[
        list[str],
        typer.Option("--vary", help="KEY=4,8,16 or KEY=low:high:step; with --sobol KEY=low:high"),
    ],
    design: DesignOption = "local",
    override: SetOption = None,
    sobol: Annotated[
        int | None, typer.Option("--sobol", min=1, help="so many points instead of a grid")
    ] = None,
    target: TargetOption = "capacity",
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="what strikes (failover); may be repeated"),
    ] = None,
    metric: MetricOption = None,
    replications: Annotated[int, typer.Option("--replications", min=2)] = 10,
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision", min=0.001, max=0.999,
            help="replicate until the metrics of --until are within this share of their mean",
        ),
    ] = None,
    until: Annotated[
        list[str] | None, typer.Option("--until", help="a metric that must be so precise")
    ] = None,
    at_most: Annotated[int, typer.Option("--at-most", min=2, help="replications of a point")] = 500,
    duration: DurationOption = 300.0,
    warmup: WarmupOption = 120.0,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:  # fmt: skip
    """Ask the same question of many designs: any keys varied, on a grid or at Sobol points.

    All points meet the same chance (common random numbers). Interrupted, the same command goes on.

    Example: `testbed sweep --vary workload.users=50:400:50 --vary inference.max_batch=4,8`
    """
    from simulator.replications import UnknownMetricError, progress_bar
    from simulator.sweep import Work, grid, parse_vary, points, record_sweep, whole_numbers
    from simulator.sweep import sobol as sobol_points
    from simulator.sweep import sweep as sweep_points

    base = load_design(design, override or ())
    dimensions = whole_numbers(parse_vary(vary), base)
    settings = grid(dimensions) if sobol is None else sobol_points(dimensions, sobol, seed)
    chosen = points(design, settings, override or ())
    question = _target(target, duration, warmup, fault)
    wanted = (
        replications if precision is None else _precision(precision, until, at_most, replications)
    )
    with on_cluster(cluster), resumable(cache), progress_bar("replications") as tell:
        try:
            result = sweep_points(
                chosen, question,
                Work(seed=seed, replications=wanted, cache=cache, jobs=jobs, tell=tell),
            )  # fmt: skip
        except UnknownMetricError as error:
            raise InputError(
                f"there is no metric '{error.metric}'", where="--until",
                allowed=", ".join(error.known),
            ) from None  # fmt: skip
    path = record_sweep(
        base, result, runs, seed=seed,
        parameters={
            "vary": list(vary), "sobol": sobol, "target": target, "replications": replications,
            "precision": precision, "until": list(until or ()), "duration_s": duration,
            "warmup_s": warmup, "faults": list(fault or ()), "set": list(override or ()),
        },
    )  # fmt: skip
    if json:
        print_json({"design": base.name, "run": path.name, **result.document()})
        return
    _show_sweep(result, metric or question.shown)
    out.print(f"recorded in {path}", soft_wrap=True)


def _target(name: str, duration_s: float, warmup_s: float, faults: Sequence[str] | None) -> Target:
    from simulator.failover import FAULTS
    from simulator.sweep import AvailabilityTarget, FailoverTarget

    if name == "capacity":
        return capacity_target(duration_s, warmup_s)
    if name == "availability":
        return AvailabilityTarget()
    if name != "failover":
        raise InputError(
            f"there is no target '{name}'", where="--target", allowed=", ".join(TARGETS)
        )
    if not faults:
        return FailoverTarget()
    chosen = tuple(fault for fault in FAULTS if fault in faults)
    for fault in faults:
        if fault not in chosen:
            raise InputError(
                f"there is no fault '{fault}'", where="--fault", allowed=", ".join(FAULTS)
            )
    return FailoverTarget(faults=chosen)


def _precision(
    relative: float, until: Sequence[str] | None, at_most: int, at_least: int
) -> Precision:
    from simulator.statistics import Precision

    if not until:
        raise InputError(
            "which metric is to be precise?", where="--until", allowed="a metric's name"
        )
    if at_least > at_most:
        raise InputError(
            f"fewer than --replications {at_least}",
            where="--at-most",
            allowed=f"{at_least} or more",
        )
    return Precision(relative, tuple(until), at_least=at_least, at_most=at_most)


def _show_sweep(result: SweepResult, patterns: Sequence[str]) -> None:
    shown = [m for m in result.metrics if any(fnmatchcase(m, pattern) for pattern in patterns)]
    if not shown:
        raise InputError(
            f"no metric is called {', '.join(patterns)}", where="--metric",
            allowed=", ".join(result.metrics),
        )  # fmt: skip
    for metric in shown:
        table = Table(*result.keys, "mean", "95 % interval", "n", title=metric)
        for point in result.points:
            found = point.replications.estimates().get(metric)
            cells = [str(point.settings[key]) for key in result.keys]
            count = str(len(point.replications.rows)) + (
                "" if point.replications.precise else " (!)"
            )
            table.add_row(*cells, *interval_cells(found), count)
        out.print(table)
    if not all(point.replications.precise for point in result.points):
        out.print("(!) the precision asked for was not reached: raise --at-most")
