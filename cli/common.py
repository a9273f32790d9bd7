"""What every command shares: options, progress on standard error, one JSON document on output."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

Progress = Callable[[str], None]

out = Console()
err = Console(stderr=True)

DesignOption = Annotated[
    str, typer.Option("--design", "-d", help="a design's name, or the path of a YAML file")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="override a key of the design: a.b.c=value", metavar="KEY=VALUE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="makes the command repeatable")]
RunsOption = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="PRONTUARIO_RUNS", help="where run records are kept"),
]
StackOption = Annotated[
    Path,
    typer.Option("--dir", envvar="PRONTUARIO_STACK", help="the stack's directory"),
]
InstanceOption = Annotated[
    str,
    typer.Option("--instance", help="which loopback addresses to take: 0 to 99, or 'auto'"),
]

DEFAULT_RUNS = Path("runs")
DEFAULT_STACK = Path(".cache/stack")


def progress_printer() -> Progress:
    """A callback that tells each step on standard error, with the seconds since the first."""
    start = time.monotonic()

    def tell(message: str) -> None:
        elapsed = time.monotonic() - start
        err.print(f"[dim]{elapsed:6.1f} s[/dim]  {message}", highlight=False, soft_wrap=True)

    return tell


def _plain(value: Any) -> Any:
    """The same with what JSON cannot say put into words, and value types as their documents."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, int | float | str | None) else str(value)


def print_json(document: Any) -> None:
    """One JSON document on standard output; infinity is the string "Infinity" there."""
    json.dump(_plain(document), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")
