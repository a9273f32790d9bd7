"""`testbed sweep` and `sensitivity`: what changes when a key does, and what ignorance costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    err,
    out,
    print_json,
)
from evidence import Estimate

if TYPE_CHECKING:
    from simulator.sensitivity import MetricSensitivity, Sensitivity
    from simulator.statistics import Precision
    from simulator.sweep import AvailabilityTarget, CapacityTarget, SweepResult, Target

DEFAULT_CACHE = Path(".cache/replications")
TARGETS = ("capacity", "availability", "failover")
# The models that draw uncertain figures.
UNCERTAIN = ("capacity", "availability")
# An index below this share of the variance is not worth better figures.
MATTERS = 0.05

CacheOption = Annotated[
    Path,
    typer.Option("--cache-dir", help="finished replications, for going on after Ctrl-C"),
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, help="processes; all cores when left out")
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="a Dask scheduler, tcp://HOST:PORT; this machine when left out"),
]
TargetOption = Annotated[
    str, typer.Option("--target", help=f"what is asked of each design: {', '.join(TARGETS)}")
]
DurationOption = Annotated[
    float, typer.Option("--duration", min=1, help="observed seconds of each replication (capacity)")
]
WarmupOption = Annotated[
    float, typer.Option("--warmup", min=0, help="seconds before that (capacity)")
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", help="metrics to show, * and ? allowed; may be repeated"),
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
    with _on(cluster), _resumable(cache), progress_bar("replications") as tell:
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


def sensitivity(
    design: DesignOption = "local",
    override: SetOption = None,
    target: Annotated[
        str, typer.Option("--target", help=f"which model: {', '.join(UNCERTAIN)}")
    ] = "capacity",
    metric: MetricOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=2, help="base samples, a power of two")
    ] = 64,
    replications: Annotated[int, typer.Option("--replications", min=2, help="of each point")] = 2,
    draws: Annotated[
        int, typer.Option("--draws", min=2, help="of all inputs, to split the variance")
    ] = 128,
    duration: DurationOption = 300.0,
    warmup: WarmupOption = 120.0,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    seed: SeedOption = 1,
    runs: RunsOption = DEFAULT_RUNS,
    json: JsonOption = False,
) -> None:
    """Which uncertain figure matters (Sobol indices), and how much of the spread is chance.

    Example: `testbed sensitivity --design dual-m3-ultra --metric 'journeys.chat.latency_s.p95'`
    """
    from architecture import design_hash
    from simulator.replications import progress_bar
    from simulator.sensitivity import Plan, record_sensitivity
    from simulator.sensitivity import sensitivity as analyse

    if samples & (samples - 1):
        raise InputError(
            f"{samples} is no power of two", where="--samples", allowed="2, 4, 8, 16 …"
        )
    system = load_design(design, override or ())
    question = _uncertain(target, duration, warmup)
    with _on(cluster), _resumable(cache), progress_bar("replications") as tell:
        plan = Plan(
            samples=samples, replications=replications, draws=draws, seed=seed, cache=cache,
            jobs=jobs, tell=tell,
        )  # fmt: skip
        result = analyse(
            question.task(system), metric or question.shown, plan=plan,
            identity={
                "target": target, "design": design_hash(system), **question.identity(system),
            },
        )  # fmt: skip
    path = record_sensitivity(
        system, result, runs, seed=seed,
        parameters={
            "target": target, "samples": samples, "replications": replications, "draws": draws,
            "duration_s": duration, "warmup_s": warmup, "set": list(override or ()),
        },
    )  # fmt: skip
    if json:
        print_json({"design": system.name, "run": path.name, **result.document()})
        return
    _show_sensitivity(result)
    out.print(f"recorded in {path}", soft_wrap=True)


def _target(name: str, duration_s: float, warmup_s: float, faults: Sequence[str] | None) -> Target:
    from simulator.failover import FAULTS
    from simulator.sweep import AvailabilityTarget, FailoverTarget

    if name == "capacity":
        return _capacity(duration_s, warmup_s)
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


def _uncertain(
    name: str, duration_s: float, warmup_s: float
) -> CapacityTarget | AvailabilityTarget:
    from simulator.sweep import AvailabilityTarget

    if name == "capacity":
        return _capacity(duration_s, warmup_s)
    if name == "availability":
        return AvailabilityTarget()
    raise InputError(f"there is no model '{name}'", where="--target", allowed=", ".join(UNCERTAIN))


def _capacity(duration_s: float, warmup_s: float) -> CapacityTarget:
    from simulator.hospital import Scenario
    from simulator.sweep import CapacityTarget

    return CapacityTarget(Scenario(duration_s=duration_s, warmup_s=warmup_s))


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


@contextmanager
def _on(scheduler: str | None) -> Iterator[None]:
    """The replications run on this cluster while the block lasts."""
    if scheduler is None:
        yield
        return
    import joblib  # type: ignore[import-untyped]

    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "Dask is not installed: pip install distributed", where="--cluster"
        ) from None
    try:
        client = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(
            f"no scheduler answers at {scheduler}: {error}", where="--cluster",
            allowed="tcp://HOST:PORT of a Dask scheduler",
        ) from None  # fmt: skip
    with client, joblib.parallel_config(backend="dask"):
        yield


@contextmanager
def _resumable(cache: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        err.print(
            f"finished replications are kept in {cache}: the same command goes on", soft_wrap=True
        )
        raise


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
            table.add_row(*cells, *_cells(found), count)
        out.print(table)
    if not all(point.replications.precise for point in result.points):
        out.print("(!) the precision asked for was not reached: raise --at-most")


def _show_sensitivity(result: Sensitivity) -> None:
    for found in result.metrics:
        _show_metric(found)
    if result.without_effect:
        out.print("without effect: " + ", ".join(result.without_effect), soft_wrap=True)
    if result.unobserved:
        out.print(
            "not observed in every replication: " + ", ".join(result.unobserved), soft_wrap=True
        )


def _show_metric(found: MetricSensitivity) -> None:
    split = found.variance
    table = Table(title=found.metric)
    table.add_column("input", overflow="fold")
    for heading in ("alone", "with interactions", "95 % interval"):
        table.add_column(heading)
    for index in found.indices:
        if index.total.upper < MATTERS:
            continue
        table.add_row(index.name, f"{index.first.estimate:.2f}", *_cells(index.total))
    out.print(table)
    out.print(
        f"mean {split.mean.estimate:.3g}; of one run's variance {split.input_share.estimate:.0%} "
        f"[{split.input_share.lower:.0%}, {split.input_share.upper:.0%}] comes from uncertain "
        "figures, the rest from chance",
        soft_wrap=True, highlight=False,
    )  # fmt: skip


def _cells(found: Estimate | None) -> tuple[Any, Any]:
    if found is None:
        return "-", "-"
    return f"{found.estimate:.3g}", f"{found.lower:.3g} to {found.upper:.3g}"
