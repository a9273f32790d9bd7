"""`testbed simulate FILE.yaml`: a network of stations of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from architecture.station_network import load_network
from cli.common import out, print_json
from evidence import Estimate

if TYPE_CHECKING:
    from simulator.network import NetworkResult

NOT_SEEN = "–"


def run_network_command(
    name_or_path: str, *, override: Sequence[str] = (), seed: int = 1,
    replications: int | None = None, precision: float | None = None,
    duration_s: float | None = None, warmup_s: float | None = None, jobs: int | None = 1,
    runs: Path, json: bool = False,
) -> None:  # fmt: skip
    """Simulate a network of stations, record the run and print it.

    Args:
        name_or_path: A network's name or file.
        override: Items ``a.b.c=value``.
        seed: Makes it repeatable.
        replications: How many; the file's number when left out.
        precision: Instead, go on until every class's mean latency is known to this share.
        duration_s: Observed time of each; the file's when left out.
        warmup_s: Time before that; the file's, or automatic, when left out.
        jobs: Processes; None for all cores.
        runs: Where run records are kept.
        json: One JSON document on standard output.

    Raises:
        InputError: for a file that cannot be used.
    """
    from simulator.network import record_network, simulate_network
    from simulator.replications import progress_bar
    from simulator.statistics import Precision

    network = load_network(name_or_path, override)
    wanted: int | Precision | None = replications
    if precision is not None:
        latencies = tuple(f"journeys.{name}.latency_s.mean" for name in network.classes)
        wanted = Precision(relative=precision, metrics=latencies)
    with progress_bar(f"simulating {network.name}") as tell:
        result = simulate_network(
            network, seed=seed, replications=wanted, duration_s=duration_s, warmup_s=warmup_s,
            jobs=jobs, tell=tell,
        )  # fmt: skip
    parameters = {
        "replications": len(result.replications.rows), "precision": precision,
        "duration_s": network.run.duration_s if duration_s is None else duration_s,
        "warmup_s": result.warmup_s,
    }  # fmt: skip
    path = record_network(result, runs, seed=seed, parameters=parameters)
    if json:
        print_json({"design": network.name, "run": path.name, **result.document()})
        return
    _show(result)
    out.print(f"recorded in {path}", soft_wrap=True)


def _show(result: NetworkResult) -> None:
    network = result.network
    journeys = Table(
        "class", "mean s", "p50 s", "p95 s", "p99 s", "p99.9 s", "per s", "unserved",
        title=network.title or network.name,
    )  # fmt: skip
    for name in network.classes:
        prefix = f"journeys.{name}"
        served = result.estimates.get(f"{prefix}.outcomes.completed")
        journeys.add_row(
            name,
            _interval(result.estimates.get(f"{prefix}.latency_s.mean")),
            *(_cell(result, f"{prefix}.latency_s.{q}") for q in ("p50", "p95", "p99", "p999")),
            _cell(result, f"{prefix}.throughput_per_s"),
            NOT_SEEN if served is None else f"{1 - served.estimate:.2%}",
        )
    out.print(journeys)
    stations = Table(
        "station", "utilisation", "queue", "wait s", "visit s", "p99 visit s", "per s"
    )  # fmt: skip
    for name in network.stations:
        prefix = f"stations.{name}"
        keys = ("queue_length", "wait_s", "sojourn_s.mean", "sojourn_s.p99", "throughput_per_s")
        stations.add_row(
            name,
            _interval(result.estimates.get(f"{prefix}.utilisation")),
            *(_cell(result, f"{prefix}.{key}") for key in keys),
        )
    out.print(stations)
    out.print(f"first bottleneck: [bold]{result.bottleneck}[/bold]")
    out.print(
        f"{len(result.replications.rows)} replications, each after {result.warmup_s:.4g} s of "
        "warm-up; ± is the 95 % interval of a mean"
    )
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True, highlight=False)


def _cell(result: NetworkResult, metric: str) -> str:
    estimate = result.estimates.get(metric)
    return NOT_SEEN if estimate is None else _number(estimate.estimate)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_SEEN
    return f"{_number(estimate.estimate)} ± {estimate.upper - estimate.estimate:.2g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004
