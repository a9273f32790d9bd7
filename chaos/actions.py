"""Chaos Toolkit actions: break the reference stack, and mend it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaoslib.exceptions import ActivityFailed

from chaos.faults import Fault, read_faults, write_faults
from reference_stack.errors import StackError
from reference_stack.handle import StackHandle

__all__ = ["lose_power_of_primary", "restore_power"]


def lose_power_of_primary(stack_directory: str, fault_log: str) -> dict[str, Any]:
    """Take the power from whichever hospital site holds the primary database.

    Nothing of the site runs from one moment to the next, and its peers hear nothing: no reset, no
    goodbye, as with a machine without power. (Without networks of its own the stack freezes the
    site: on plain loopback the kernel goes on accepting connections for it; they stay silent.)
    Nothing comes back: :func:`restore_power` starts the site again from what its disk holds.

    Returns the site and the times between which the power went.
    """
    try:
        handle = StackHandle.attach(Path(stack_directory))
        site = handle.primary()
        if site is None:
            raise ActivityFailed("no hospital site holds the primary database")
        fault = Fault(
            "primary-power-loss",
            site,
            injected_s=time.monotonic(),
            detail="cut off and killed" if handle.can_partition else "frozen as one",
        )
        write_faults(Path(fault_log), [*read_faults(Path(fault_log)), fault])
        handle.lose_power(site)
        landed_s = time.monotonic()
    except StackError as error:
        raise ActivityFailed(f"the power could not be taken: {error}") from error
    faults = read_faults(Path(fault_log))
    write_faults(Path(fault_log), [*faults[:-1], replace(fault, landed_s=landed_s)])
    return {"site": site, "injected_s": fault.injected_s, "landed_s": landed_s}


def restore_power(stack_directory: str, fault_log: str = "") -> list[str]:
    """Start every hospital site that does not run; what is frozen is killed first.

    A machine that lost its power starts from what its disk holds, so a frozen site must not simply
    run on. Does nothing when all sites run, and may be repeated.

    Returns the sites that were started.
    """
    started: list[str] = []
    try:
        handle = StackHandle.attach(Path(stack_directory))
        for site, status in handle.status().items():
            if site not in handle.hospital_sites or status.state == "running":
                continue
            handle.kill(site)
            handle.start(site)
            started.append(site)
    except StackError as error:
        raise ActivityFailed(f"the power could not be restored: {error}") from error
    if fault_log:
        _note_restoration(Path(fault_log), started)
    return started


def _note_restoration(log: Path, sites: list[str]) -> None:
    now_s = time.monotonic()
    faults = read_faults(log)
    if faults:
        write_faults(
            log,
            [
                replace(fault, restored_s=now_s) if fault.site in sites else fault
                for fault in faults
            ],
        )
