"""What a cached result depends on besides its parameters: the code that computed it."""

from __future__ import annotations

import hashlib
import inspect
import platform
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("architecture", "evidence", "simulator")
LIBRARIES = ("numpy", "scipy", "simpy")
SUFFIXES = frozenset({".py", ".yaml"})
ROOT = Path(__file__).parents[2]


def code_version(task: Any = None) -> str:
    """SHA-256 of the simulator's sources, its libraries' versions, and the file ``task`` is from.

    A changed file of the catalogue changes it too. What ``task`` imports from elsewhere does not:
    whoever caches a task of their own deletes the cache when such code changes.
    """
    digest = hashlib.sha256(_simulator_version().encode())
    for file in _source_files(task):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def _simulator_version() -> str:
    digest = hashlib.sha256()
    versions = [f"{library} {metadata.version(library)}" for library in LIBRARIES]
    digest.update(" ".join([platform.python_version(), *versions]).encode())
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*")):
            if file.suffix in SUFFIXES:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _source_files(task: Any) -> list[Path]:
    while isinstance(task, partial):
        task = task.func
    if task is None:
        return []
    subject = task if inspect.isroutine(task) or inspect.isclass(task) else type(task)
    try:
        return [Path(inspect.getfile(subject))]
    except (TypeError, OSError):  # built in, or typed at a prompt
        return []
