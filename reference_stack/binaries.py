"""The programs the stack runs, and where they were found.

Three sources, in this order: the system (PATH and the places distributions use), apt (when root on
Debian, see :mod:`reference_stack.install`), and PyPI wheels unpacked in the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from architecture.errors import InputError
from reference_stack.errors import PreconditionError
from reference_stack.models import model_cache

Source = Literal["system", "wheel"]

POSTGRESQL_MAJOR = 15
POSTGRESQL_PROGRAMS = (
    "postgres", "initdb", "pg_ctl", "pg_isready", "pg_basebackup", "pg_rewind", "pg_controldata",
)  # fmt: skip
SOURCE_VARIABLE = "PRONTUARIO_BINARIES"
MENDING = "run `testbed doctor --fix` (apt as root on Debian, else PyPI wheels)"

_DISTRIBUTION_PLACES = {
    "postgres": (
        f"/usr/lib/postgresql/{POSTGRESQL_MAJOR}/bin",
        f"/opt/homebrew/opt/postgresql@{POSTGRESQL_MAJOR}/bin",
        f"/usr/local/opt/postgresql@{POSTGRESQL_MAJOR}/bin",
        f"/usr/pgsql-{POSTGRESQL_MAJOR}/bin",
    ),
    "haproxy": ("/usr/sbin", "/opt/homebrew/bin"),
    "etcd": ("/usr/bin", "/opt/homebrew/bin"),
}


@dataclass(frozen=True)
class Binary:
    """A program that is fit for use."""

    name: str
    path: Path
    version: str
    source: Source


def wheels_folder() -> Path:
    """Where :mod:`reference_stack.install` unpacks programs that come as PyPI wheels."""
    return model_cache() / "binaries"


def find(name: str) -> Binary | None:
    """The best fit program of this name (etcd, haproxy, postgres), or None.

    For PostgreSQL a server of the design's major version in the system wins; a newer one out of a
    wheel is fit too. Every program of ``POSTGRESQL_PROGRAMS`` must lie beside it.
    """
    for source, path in _candidates(name):
        version = _version(path)
        if version is not None and _fit(name, path, version, source):
            return Binary(name, path, version, source)
    return None


def require(name: str) -> Binary:
    """Like :func:`find`, but a missing program is an error.

    Raises:
        PreconditionError: naming the program and the one command that mends it.
    """
    binary = find(name)
    if binary is None:
        raise PreconditionError(f"the program '{name}' is missing or unfit: {MENDING}")
    return binary


def _candidates(name: str) -> Iterator[tuple[Source, Path]]:
    wanted = os.environ.get(SOURCE_VARIABLE, "")
    if wanted not in {"", "system", "wheel"}:
        raise InputError(f"got '{wanted}'", where=SOURCE_VARIABLE, allowed="system, wheel")
    if wanted != "wheel":
        yield from _in_system(name)
    if wanted != "system":
        yield from _in_wheels(name)


def _in_system(name: str) -> Iterator[tuple[Source, Path]]:
    places: Iterable[str] = (
        *_DISTRIBUTION_PLACES.get(name, ()),
        *os.environ.get("PATH", "").split(os.pathsep),
    )
    seen: set[Path] = set()
    for place in places:
        path = Path(place) / name
        if path not in seen and path.is_file() and os.access(path, os.X_OK):
            seen.add(path)
            yield "system", path


def _in_wheels(name: str) -> Iterator[tuple[Source, Path]]:
    folder = wheels_folder()
    for path in sorted(folder.glob(f"*/**/{name}")):
        # The top-level "bin" holds Python scripts that only pass the call on.
        if path.parent != folder / "bin" and path.is_file() and os.access(path, os.X_OK):
            yield "wheel", path


def _version(path: Path) -> str | None:
    flag = "-v" if path.name == "haproxy" else "--version"
    try:
        answer = subprocess.run(
            [str(path), flag], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(\d+\.\d+(?:\.\d+)?)", answer.stdout + answer.stderr)
    return found.group(1) if answer.returncode == 0 and found else None


def _fit(name: str, path: Path, version: str, source: Source) -> bool:
    if name != "postgres":
        return True
    real = path.resolve().parent
    complete = all(shutil.which(program, path=str(real)) for program in POSTGRESQL_PROGRAMS)
    major = int(version.split(".", maxsplit=1)[0])
    return complete and (major == POSTGRESQL_MAJOR or (source == "wheel" and major > 0))
