"""What commands share that spread many replications out: options, cluster, interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from architecture import InputError
from cli.common import err
from evidence import Estimate

if TYPE_CHECKING:
    from simulator.sweep import CapacityTarget

DEFAULT_CACHE = Path(".cache/replications")

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


def capacity_target(duration_s: float, warmup_s: float) -> CapacityTarget:
    """The capacity model, for so many observed seconds after the warm-up."""
    from simulator.hospital import Scenario
    from simulator.sweep import CapacityTarget

    return CapacityTarget(Scenario(duration_s=duration_s, warmup_s=warmup_s))


@contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """The replications run on this cluster while the block lasts.

    Raises:
        InputError: when no scheduler answers there, or Dask is not installed.
    """
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
def resumable(cache: Path) -> Iterator[None]:
    """Interrupted, the block says that what is finished is kept."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(
            f"finished replications are kept in {cache}: the same command goes on", soft_wrap=True
        )
        raise


def interval_cells(found: Estimate | None) -> tuple[str, str]:
    """Mean and interval for a table."""
    if found is None:
        return "-", "-"
    return f"{found.estimate:.3g}", f"{found.lower:.3g} to {found.upper:.3g}"
