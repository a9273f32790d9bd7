"""`testbed sensitivity`: which uncertain figure matters, and what ignorance costs."""

from __future__ import annotations

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
    from simulator.sensitivity import MetricSensitivity, Sensitivity
    from simulator.sweep import AvailabilityTarget, CapacityTarget

# The models that draw uncertain figures.
UNCERTAIN = ("capacity", "availability")
# An index below this share of the variance is not worth better figures.
MATTERS = 0.05


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
    with on_cluster(cluster), resumable(cache), progress_bar("replications") as tell:
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


def _uncertain(
    name: str, duration_s: float, warmup_s: float
) -> CapacityTarget | AvailabilityTarget:
    from simulator.sweep import AvailabilityTarget

    if name == "capacity":
        return capacity_target(duration_s, warmup_s)
    if name == "availability":
        return AvailabilityTarget()
    raise InputError(f"there is no model '{name}'", where="--target", allowed=", ".join(UNCERTAIN))


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
        table.add_row(index.name, f"{index.first.estimate:.2f}", *interval_cells(index.total))
    out.print(table)
    out.print(
        f"mean {split.mean.estimate:.3g}; of one run's variance {split.input_share.estimate:.0%} "
        f"[{split.input_share.lower:.0%}, {split.input_share.upper:.0%}] comes from uncertain "
        "figures, the rest from chance",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
