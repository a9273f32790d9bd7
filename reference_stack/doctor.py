"""What this machine has, what is missing, and the one command that mends it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psutil

from architecture.design import Design
from architecture.values import Strict
from reference_stack import binaries, install
from reference_stack.models import check_model_folder, model_cache
from reference_stack.models.errors import ModelError
from reference_stack.preconditions import NEEDED_DISK_BYTES, addresses_in_use, existing_parent
from reference_stack.site.backend import best_backend
from reference_stack.site.cgroup import cgroup_root
from reference_stack.site.network import best_network

NEEDED_MEMORY_BYTES = 6 * 1024**3

Level = Literal["good", "warning", "missing"]


class Finding(Strict):
    """One thing looked at. ``missing`` stops the stack, ``warning`` makes it slower or weaker."""

    subject: str
    level: Level
    detail: str
    mend: str = ""


def examine(design: Design, directory: Path, instance: int = 0) -> list[Finding]:
    """Look at everything the stack of ``design`` needs on this machine."""
    return [
        _python(),
        *_programs(),
        _isolation(),
        _blas(),
        _model(design.inference.model),
        _memory(),
        _disk(directory),
        _ports(design, instance),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(subject="python", level="good", detail=version)


def _programs() -> Iterator[Finding]:
    for name in (*binaries.REQUIRED, *binaries.OPTIONAL):
        binary = binaries.find(name)
        if binary is None:
            required = name in binaries.REQUIRED
            yield Finding(
                subject=name,
                level="missing" if required else "warning",
                detail="not found" if required else "not found: a stack leaves out what needs it",
                mend=_installing(name) if not required else "testbed doctor --fix",
            )
            continue
        old = name == "postgres" and not binary.version.startswith(f"{binaries.POSTGRESQL_MAJOR}.")
        note = f" (the designs say {binaries.POSTGRESQL_MAJOR})" if old else ""
        yield Finding(
            subject=name,
            level="warning" if old else "good",
            detail=f"{binary.version} from the {binary.source}: {binary.path}{note}",
        )


def _installing(name: str) -> str:
    """What installs an optional program, which comes in no wheel."""
    if install.may_use_apt():
        return "testbed doctor --fix"
    if shutil.which("apt-get") is None:
        return f"install {name}"
    return f"as root: apt-get install {install.APT_PACKAGES[name][0]}"


def _isolation() -> Finding:
    if best_backend() == "tree":
        return Finding(
            subject="isolation",
            level="warning",
            detail="process trees: a site is frozen and killed process by process. Power loss is "
            "played by freezing; partitions and a moving address can't be",
            mend="allow unprivileged user namespaces (Linux)",
        )
    if best_network() != "namespaces":
        return Finding(
            subject="isolation",
            level="warning",
            detail="one PID namespace a site: it freezes and dies as one by the kernel's hand. "
            "Without a network namespace, power loss is played by freezing; partitions and a "
            "moving address can't be",
            mend="run as root, with iproute2 installed",
        )
    group = "one control group" if cgroup_root() is not None else "no control group"
    return Finding(
        subject="isolation",
        level="good",
        detail=f"one PID namespace, one network namespace and {group} a site: every fault can be "
        "injected but delay and loss of packets",
    )


def _blas() -> Finding:
    if install.has_openblas():
        return Finding(subject="blas", level="good", detail="a fast BLAS for the model")
    mend = (
        "testbed doctor --fix"
        if install.may_use_apt()
        else "as root: apt-get install libopenblas0-pthread"
    )
    return Finding(
        subject="blas",
        level="warning",
        detail="only the reference BLAS: the language model is 3 to 20 times slower",
        mend=mend,
    )


def _model(name: str) -> Finding:
    folder = model_cache() / "models" / name
    try:
        check_model_folder(folder)
    except ModelError as error:
        return Finding(
            subject="model", level="warning", detail=str(error), mend="testbed models fetch"
        )
    return Finding(subject="model", level="good", detail=f"{name} in {folder}")


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    level: Level = "good" if free >= NEEDED_MEMORY_BYTES else "warning"
    return Finding(
        subject="memory",
        level=level,
        detail=f"{free / 1e9:.1f} GB available, {NEEDED_MEMORY_BYTES / 1e9:.1f} GB are wanted; "
        f"{os.cpu_count()} processors",
    )


def _disk(directory: Path) -> Finding:
    place = existing_parent(directory)
    free = shutil.disk_usage(place).free
    enough = free >= NEEDED_DISK_BYTES
    return Finding(
        subject="disk",
        level="good" if enough else "missing",
        detail=f"{free / 1e9:.1f} GB free at {place}, {NEEDED_DISK_BYTES / 1e9:.1f} GB are needed",
        mend="" if enough else f"free space at {place}, or choose another place with --dir",
    )


def _ports(design: Design, instance: int) -> Finding:
    taken = addresses_in_use(design, instance)
    if not taken:
        return Finding(subject="addresses", level="good", detail=f"instance {instance} is free")
    return Finding(
        subject="addresses",
        level="warning",
        detail=f"in use: {', '.join(taken[:4])}" + (" …" if len(taken) > 4 else ""),  # noqa: PLR2004
        mend="testbed stack down, or --instance N",
    )
