"""Activities that write down that they were played."""

from __future__ import annotations

import time
from pathlib import Path


def holds(file: str) -> bool:
    return _note(file, "holds")


def is_missing(file: str) -> bool:
    _note(file, "is_missing")
    raise LookupError("a standby is missing")


def breaks(file: str) -> bool:
    return _note(file, "breaks")


def fails(file: str) -> bool:
    _note(file, "fails")
    raise ValueError("no such site")


def waits(file: str) -> bool:
    _note(file, "waits")
    time.sleep(600)
    return True


def mend(file: str) -> bool:
    return _note(file, "mend")


def _note(file: str, name: str) -> bool:
    with Path(file).open("a") as steps:
        steps.write(f"{name}\n")
    return True
