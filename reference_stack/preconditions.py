"""What must hold before a stack is started: nothing in its way, and everything it needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from architecture.design import Design
from reference_stack import addresses, binaries
from reference_stack.errors import PreconditionError, StackNotRunningError
from reference_stack.handle import StackHandle
from reference_stack.inference.render import COMPANIONS_WITH_MODELS
from reference_stack.models import ensure_model, model_cache
from reference_stack.rendering import Programs
from reference_stack.site.backend import best_backend
from reference_stack.site.network import best_network, network_in_use
from reference_stack.state import STATE_FILE

Progress = Callable[[str], None]

NEEDED_DISK_BYTES = 5 * 1024**3  # each site keeps its own copy of the model


def require_fit_machine(
    design: Design, directory: Path, instance: int | None, progress: Progress
) -> tuple[Programs, addresses.Reservation]:
    """What the stack of ``design`` will run and the instance whose addresses it takes.

    Nothing is started or changed, but that the model is fetched when the cache lacks it.

    Raises:
        PreconditionError: when a stack runs already, the directory holds something else, a program
            is missing, the disk is full or ports are in use.
        reference_stack.models.errors.ModelError: when the model can't be had.
    """
    progress(f"checking the machine for {design.name}")
    _require_no_stack(directory)
    _require_ours_or_empty(directory)
    if best_backend() == "tree" and os.geteuid() == 0:
        raise PreconditionError(
            "PostgreSQL refuses to run as root, and this machine allows no user namespaces to "
            "change that: run the testbed as an ordinary user"
        )
    programs = {name: binaries.require(name).path for name in binaries.REQUIRED}
    for name in binaries.OPTIONAL:
        if (binary := binaries.find(name)) is not None:
            programs[name] = binary.path
    _require_disk(directory)
    reservation = _free_instance(design, instance)
    models = {name: ensure_model(name, model_cache(), progress) for name in models_of(design)}
    found = Programs(
        paths=programs,
        postgresql=programs["postgres"].resolve().parent,
        model=models.pop(design.inference.model),
        companions=models,
    )
    return found, reservation


def models_of(design: Design) -> list[str]:
    """Names of the models that the stack of ``design`` runs, the language model first.

    Voices are programs of the machine and have none.
    """
    companions = {
        companion.model
        for name, companion in design.companions.items()
        if name in COMPANIONS_WITH_MODELS
        and any(name in design.sites[site].services for site in companion.sites)
    }
    return [design.inference.model, *sorted(companions)]


def existing_parent(directory: Path) -> Path:
    """The directory itself, or the nearest one above it that exists."""
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    return place


def clear(directory: Path) -> None:
    """Remove an ended stack's files.

    Raises:
        PreconditionError: when the directory holds anything else.
    """
    _require_ours_or_empty(directory)
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _require_no_stack(directory: Path) -> None:
    try:
        StackHandle.attach(directory)
    except StackNotRunningError:
        return
    raise PreconditionError(
        f"{directory}: a stack runs here already: end it with `testbed stack down`"
    )


def _require_ours_or_empty(directory: Path) -> None:
    if not directory.exists() or (directory / STATE_FILE).exists():
        return
    if not directory.is_dir() or any(directory.iterdir()):
        raise PreconditionError(f"{directory}: is neither empty nor a stack's directory")


def _require_disk(directory: Path) -> None:
    place = existing_parent(directory)
    free = shutil.disk_usage(place).free
    if free < NEEDED_DISK_BYTES:
        raise PreconditionError(
            f"{place}: {free / 1e9:.1f} GB free, {NEEDED_DISK_BYTES / 1e9:.1f} GB are needed"
        )


def addresses_in_use(design: Design, instance: int) -> list[str]:
    """What holds addresses that a stack of this instance would take."""
    plan = addresses.plan(tuple(design.sites), instance, best_network())
    if plan.kind == "namespaces":
        holder = network_in_use(plan)
        return [holder] if holder is not None else []
    return addresses.busy(
        [plan.endpoint(site, service) for site in design.sites for service in addresses.PORTS]
    )


def _free_instance(design: Design, wanted: int | None) -> addresses.Reservation:
    """The instance to use, reserved, whose every address is free."""
    numbers = range(addresses.INSTANCES) if wanted is None else [wanted]
    taken: list[str] = []
    for number in numbers:
        reservation = addresses.reserve_instance(number)
        if reservation is None:
            taken = [f"instance {number} belongs to another stack"]
            continue
        taken = addresses_in_use(design, number)
        if not taken:
            return reservation
        reservation.release()
    raise PreconditionError(
        f"ports are in use: {', '.join(taken)}. End what holds them (`testbed stack down`), "
        "or choose other addresses with --instance"
    )
