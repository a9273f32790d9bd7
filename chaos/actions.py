"""Chaos Toolkit actions: break the reference stack, and mend it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from chaoslib.exceptions import ActivityFailed

from architecture.objectives import Fault as FaultName
from chaos.faults import Fault, read_faults, write_faults
from reference_stack.errors import StackError
from reference_stack.fallback.operator import Controls
from reference_stack.handle import StackHandle

__all__ = [
    "confirm_site_loss",
    "cut_primary_off", "cut_wan", "lead_back", "lose_power", "mend_network", "restore_power",
    "switch_over_as_planned",
]  # fmt: skip


def _primary(handle: StackHandle) -> list[str]:
    site = handle.primary()
    if site is None:
        raise ActivityFailed("no hospital site holds the primary database")
    return [site]


def _standby(handle: StackHandle) -> list[str]:
    return [site for site in handle.hospital_sites if site not in _primary(handle)]


def _nodes(handle: StackHandle) -> list[str]:
    return [*_primary(handle), *_standby(handle)]


def _hospital(handle: StackHandle) -> list[str]:
    return [name for name, site in handle.design.sites.items() if site.location == "hospital"]


#: What loses its power, by what is lost.
_LOST: Final[Mapping[FaultName, Callable[[StackHandle], list[str]]]] = {
    "primary-power-loss": _primary,
    "standby-power-loss": _standby,
    "both-power-loss": _nodes,
    "site-loss": _hospital,
}


def lose_power(stack_directory: str, fault_log: str, fault: FaultName) -> dict[str, Any]:
    """Take the power from whatever ``fault`` names.

    Nothing of a site runs from one moment to the next, and its peers hear nothing: no reset, no
    goodbye, as with a machine without power. (Without networks of its own the stack freezes the
    site: on plain loopback the kernel goes on accepting connections for it; they stay silent.)
    Nothing comes back: :func:`restore_power` starts the sites again from what their disks hold.

    Returns the sites and the times between which the power went; of several sites, the fault has
    landed when the last is without power.
    """
    if fault not in _LOST:
        raise ActivityFailed(f"there is no power loss '{fault}' (allowed: {', '.join(_LOST)})")

    def strike(handle: StackHandle, sites: list[str]) -> None:
        for site in sites:
            handle.lose_power(site)

    return _inject(stack_directory, fault_log, fault, _LOST[fault], strike)


def cut_primary_off(stack_directory: str, fault_log: str) -> dict[str, Any]:
    """Cut the primary's site off from everything; it runs on. Needs networks of the stack's own."""

    def strike(handle: StackHandle, sites: list[str]) -> None:
        for site in sites:
            handle.isolate(site)

    return _inject(stack_directory, fault_log, "primary-partition", _primary, strike)


def switch_over_as_planned(stack_directory: str, fault_log: str) -> dict[str, Any]:
    """Move the primary to the other node on purpose. Landed: when the move began."""
    began_s = time.monotonic()

    def strike(handle: StackHandle, _sites: list[str]) -> None:
        from reference_stack.fallback.switchover import switch_over  # noqa: PLC0415 - heavy

        switch_over(handle, None, lambda _message: None)

    done = _inject(stack_directory, fault_log, "switchover", _primary, strike)
    faults = read_faults(Path(fault_log))
    planned = replace(faults[-1], landed_s=began_s, confirmed=True, restored_s=time.monotonic())
    write_faults(Path(fault_log), [*faults[:-1], planned])
    return done


def cut_wan(stack_directory: str) -> None:
    """Cut the cloud off from the hospital; clients still reach both."""
    try:
        StackHandle.attach(Path(stack_directory)).cut_wan()
    except StackError as error:
        raise ActivityFailed(f"the WAN could not be cut: {error}") from error


def mend_network(stack_directory: str) -> dict[str, list[str]]:
    """Mend every cut and let every isolated site rejoin; returns what was broken."""
    try:
        handle = StackHandle.attach(Path(stack_directory))
        broken = handle.broken_network()
        for site in broken["isolated"]:
            handle.rejoin(site)
        for pair in broken["cut"]:
            handle.mend(*pair.split("|"))
    except StackError as error:
        raise ActivityFailed(f"the network could not be mended: {error}") from error
    return broken


def restore_power(stack_directory: str, fault_log: str = "") -> list[str]:
    """Start every hospital site that does not run; what is frozen is killed first.

    A machine that lost its power starts from what its disk holds, so a frozen site must not simply
    run on. Does nothing when all sites run, and may be repeated.

    Returns the sites that were started.
    """
    started: list[str] = []
    try:
        handle = StackHandle.attach(Path(stack_directory))
        hospital = _hospital(handle)
        for site, status in handle.status().items():
            if site not in hospital or status.state == "running":
                continue
            handle.kill(site)
            handle.start(site)
            started.append(site)
    except StackError as error:
        raise ActivityFailed(f"the power could not be restored: {error}") from error
    if fault_log:
        _note_restoration(Path(fault_log), started)
    return started


def confirm_site_loss(stack_directory: str) -> str:
    """Do what a person does who knows that the hospital is lost; returns who leads then."""
    try:
        handle = StackHandle.attach(Path(stack_directory))
        done = Controls(handle, lambda _message: None).promote(site_lost=True, force=False)
    except StackError as error:
        raise ActivityFailed(f"the cloud was not promoted: {error}") from error
    return str(done["leader"])


def lead_back(stack_directory: str) -> bool:
    """If the cloud leads, have the fallback controller lead the way back, and wait for its end.

    Returns whether there was a way to go.
    """
    try:
        handle = StackHandle.attach(Path(stack_directory))
        if handle.design.fallback is None:
            return False
        controls = Controls(handle, lambda _message: None)
        if controls.status()["phase"] == "hospital":
            return False
        controls.fail_back(required=len(handle.hospital_sites), set_aside=[])
    except StackError as error:
        raise ActivityFailed(f"the way back was not gone to its end: {error}") from error
    return True


def _inject(
    stack_directory: str, fault_log: str, name: FaultName,
    where: Callable[[StackHandle], list[str]], strike: Callable[[StackHandle, list[str]], None],
) -> dict[str, Any]:  # fmt: skip
    log = Path(fault_log)
    try:
        handle = StackHandle.attach(Path(stack_directory))
        sites = where(handle)
        detail = "networks of their own" if handle.can_partition else "loopback"
        fault = Fault(name, ", ".join(sites), injected_s=time.monotonic(), detail=detail)
        write_faults(log, [*read_faults(log), fault])
        strike(handle, sites)
        landed_s = time.monotonic()
    except StackError as error:
        raise ActivityFailed(f"{name} could not be injected: {error}") from error
    write_faults(log, [*read_faults(log)[:-1], replace(fault, landed_s=landed_s)])
    return {"sites": sites, "injected_s": fault.injected_s, "landed_s": landed_s}


def _note_restoration(log: Path, sites: list[str]) -> None:
    now_s = time.monotonic()
    faults = read_faults(log)
    if faults:
        write_faults(
            log,
            [
                replace(fault, restored_s=now_s) if set(fault.sites) & set(sites) else fault
                for fault in faults
            ],
        )
