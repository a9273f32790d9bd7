"""How far the work is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Told (finished, known so far to be needed).
Tell = Callable[[int, int], None]

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(title: str) -> Iterator[Tell]:
    """A bar on a terminal; elsewhere (a log) a line every ten seconds and one at the end."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        with _lines(title, console) as tell:
            yield tell
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)
        yield lambda finished, total: bar.update(task, completed=finished, total=total)


@contextmanager
def _lines(title: str, console: Console) -> Iterator[Tell]:
    latest = told = (0, 0)
    next_line = time.monotonic() + SECONDS_BETWEEN_LINES

    def line() -> None:
        nonlocal told
        told = latest
        console.print(f"{title}: {latest[0]} of {latest[1]}", highlight=False, soft_wrap=True)

    def tell(finished: int, total: int) -> None:
        nonlocal latest, next_line
        latest = (finished, total)
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            line()

    try:
        yield tell
    finally:
        if latest != told:
            line()
