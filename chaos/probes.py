"""Chaos Toolkit probes: is the stack whole, did the fault land, are the clients served again?"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from chaoslib.exceptions import ActivityFailed

from chaos.actions import restore_power
from chaos.faults import Fault, read_faults, write_faults
from chaos.ledger import LedgerUnreadError, keep_snapshot, read_back
from chaos.recovery import RecoveryWatch
from load.tables import RequestLog
from reference_stack.addresses import Endpoint
from reference_stack.bringup import wait_until_whole
from reference_stack.errors import StackError
from reference_stack.handle import StackHandle

__all__ = [
    "api_answers",
    "clients_are_served_again",
    "notes_at_recovery",
    "power_is_lost",
    "primary_exists",
    "primary_moved",
    "site_is_cut_off",
    "stack_becomes_whole",
    "stack_is_whole",
]

_SILENCE_S = 0.5
#: How often sites that were fenced meanwhile are looked for.
POWER_LOOK_S = 5.0


def primary_exists(stack_directory: str) -> bool:
    """Whether a hospital site holds the primary database."""
    return _attach(stack_directory).primary() is not None


def stack_is_whole(stack_directory: str) -> bool:
    """True when nothing is missing; fails with what is.

    Whole: a primary, a synchronous standby that streams, APIs and models that answer, a balancer
    that sees them, etcd's leader where the design wants it. Without a synchronous standby Patroni
    rightly refuses to promote, and the experiment would measure something else.
    """
    problems = _attach(stack_directory).whole()
    if problems:
        raise ActivityFailed(f"the stack is not whole: {'; '.join(problems)}")
    return True


def api_answers(stack_directory: str) -> bool:
    """Whether the API answers through the edge, where clients are."""
    try:
        with _attach(stack_directory).http_client(timeout_s=2.0) as client:
            return client.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def power_is_lost(stack_directory: str, fault_log: str) -> dict[str, Any]:
    """Confirm from outside that the last fault is in force, and note it.

    Nothing of its sites runs, and nothing of them answers within half a second.
    """
    fault = _landed_fault(Path(fault_log))
    handle = _attach(stack_directory)
    states = {site: status.state for site, status in handle.status().items()}
    running = [site for site in fault.sites if states[site] not in {"frozen", "dead"}]
    alive = _speaking(handle, fault.sites)
    if running or alive:
        words = f"running: {running or 'none'}, these answer: {alive or 'none'}"
        raise ActivityFailed(f"the power of {fault.site} is not lost; {words}")
    _note_confirmed(Path(fault_log))
    return {"sites": list(fault.sites), "landed_s": fault.landed_s}


def site_is_cut_off(stack_directory: str, fault_log: str) -> dict[str, Any]:
    """Confirm that the last fault's sites run, and that nobody reaches them; and note it."""
    fault = _landed_fault(Path(fault_log))
    handle = _attach(stack_directory)
    states = {site: status.state for site, status in handle.status().items()}
    isolated = handle.broken_network()["isolated"]
    alive = _speaking(handle, fault.sites)
    for site in fault.sites:
        if states[site] != "running" or site not in isolated or alive:
            words = f"it is {states[site]}; isolated: {isolated}; these answer: {alive or 'none'}"
            raise ActivityFailed(f"{site} is not cut off: {words}")
    _note_confirmed(Path(fault_log))
    return {"sites": list(fault.sites), "landed_s": fault.landed_s}


def primary_moved(stack_directory: str, fault_log: str) -> str:
    """Confirm that another site than before the last fault holds the primary database."""
    fault = _landed_fault(Path(fault_log))
    primary = _attach(stack_directory).primary()
    if primary is None or primary in fault.sites:
        raise ActivityFailed(f"the primary is {primary}, it was {fault.site}")
    return primary


def _landed_fault(log: Path) -> Fault:
    faults = read_faults(log)
    if not faults or math.isnan(faults[-1].landed_s):
        raise ActivityFailed("no fault was injected")
    return faults[-1]


def _note_confirmed(log: Path) -> None:
    faults = read_faults(log)
    write_faults(log, [*faults[:-1], replace(faults[-1], confirmed=True)])


def _speaking(handle: StackHandle, sites: Sequence[str]) -> list[str]:
    """Services of the sites that say anything, be it an error."""
    return [
        f"{service} of {site}"
        for site in sites
        for service in ("patroni", "api", "balancer-stats")
        if _speaks(handle.endpoint(site, service), _SILENCE_S)
    ]


def clients_are_served_again(fault_log: str, request_log: str, timeout_s: float) -> dict[str, Any]:
    """Wait until reads, writes and chats have recovered for the clients of a running load.

    Fails when one has not after ``timeout_s`` seconds from the landing. What it returns is a first
    impression; the figures that count are computed from the whole table after the load has ended.
    """
    faults = read_faults(Path(fault_log))
    if not faults or not faults[-1].confirmed:
        raise ActivityFailed("there is no confirmed fault to recover from")
    watch = RecoveryWatch(Path(request_log), faults[-1].landed_s)
    recoveries = watch.wait(faults[-1].landed_s + timeout_s)
    late = [name for name, recovery in recoveries.items() if not recovery.settled]
    if late:
        raise ActivityFailed(f"not recovered after {timeout_s:g} s: {', '.join(late)}")
    return {name: recovery.time_s for name, recovery in recoveries.items()}


def notes_at_recovery(
    stack_directory: str, request_log: str, fault_log: str, snapshot: str
) -> dict[str, int]:
    """Read back the notes acknowledged before the last fault, now that clients are served again.

    For faults after which a way back may bring lost notes in again: what is lost for clients is
    what is missing now.
    """
    fault = _landed_fault(Path(fault_log))
    handle = _attach(stack_directory)
    notes = {
        attempt.request_id
        for attempt in RequestLog(Path(request_log)).new_attempts()
        if attempt.operation == "note" and attempt.outcome == "ok"
        and attempt.finished_s < fault.landed_s
    }  # fmt: skip
    try:
        found = read_back(_serving_dsn(handle), sorted(notes))
    except LedgerUnreadError as error:
        raise ActivityFailed(str(error)) from error
    keep_snapshot(Path(snapshot), found)
    return {"acknowledged": len(notes), "found": len(found)}


def _serving_dsn(handle: StackHandle) -> str:
    """The cloud's own server when no node of the hospital is primary: the edge may be lost too."""
    standby = handle.design.database.cloud_standby
    if handle.primary() is None and standby is not None:
        return handle.database_dsn(standby.site)
    return handle.database_dsn()


def stack_becomes_whole(stack_directory: str, timeout_s: float) -> bool:
    """Wait until nothing is missing; fails with what still is after ``timeout_s`` seconds.

    A site whose power is back within seconds may be fenced all the same, by a failure detector that
    has not heard from it yet. Nobody else switches it on again, so this does.
    """
    handle = _attach(stack_directory)
    end_s = time.monotonic() + timeout_s
    while True:
        restore_power(stack_directory)
        left_s = end_s - time.monotonic()
        try:
            wait_until_whole(handle, lambda _message: None, min(POWER_LOOK_S, left_s))
        except StackError as error:
            if left_s <= POWER_LOOK_S:
                raise ActivityFailed(f"not whole after {timeout_s:.0f} s: {error}") from error
        else:
            return True


def _attach(stack_directory: str) -> StackHandle:
    try:
        return StackHandle.attach(Path(stack_directory))
    except StackError as error:
        raise ActivityFailed(str(error)) from error


def _speaks(endpoint: Endpoint, timeout_s: float) -> bool:
    """Whether anything comes back at all, be it an error."""
    try:
        httpx.get(f"{endpoint.url}/health", timeout=timeout_s)
    except httpx.HTTPError:
        return False
    return True
