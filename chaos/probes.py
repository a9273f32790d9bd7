"""Chaos Toolkit probes: is the stack whole, did the fault land, are the clients served again?"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from chaoslib.exceptions import ActivityFailed

from chaos.faults import read_faults, write_faults
from chaos.recovery import RecoveryWatch
from reference_stack.addresses import Endpoint
from reference_stack.bringup import wait_until_whole
from reference_stack.errors import StackError
from reference_stack.handle import StackHandle

__all__ = [
    "api_answers",
    "clients_are_served_again",
    "power_is_lost",
    "primary_exists",
    "stack_becomes_whole",
    "stack_is_whole",
]

_SILENCE_S = 0.5


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

    Nothing of the site runs, and neither its Patroni nor its API answers within half a second.
    """
    faults = read_faults(Path(fault_log))
    if not faults or math.isnan(faults[-1].landed_s):
        raise ActivityFailed("no fault was injected")
    fault = faults[-1]
    handle = _attach(stack_directory)
    state = handle.status()[fault.site].state
    alive = [
        service
        for service in ("patroni", "api")
        if _speaks(handle.endpoint(fault.site, service), _SILENCE_S)
    ]
    if state not in {"frozen", "dead"} or alive:
        raise ActivityFailed(f"{fault.site} is {state}, and these answer: {alive or 'none'}")
    write_faults(Path(fault_log), [*faults[:-1], replace(fault, confirmed=True)])
    return {"site": fault.site, "state": state, "landed_s": fault.landed_s}


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


def stack_becomes_whole(stack_directory: str, timeout_s: float) -> bool:
    """Wait until nothing is missing; fails with what still is after ``timeout_s`` seconds."""
    began_s = time.monotonic()
    try:
        wait_until_whole(_attach(stack_directory), lambda _message: None, timeout_s)
    except StackError as error:
        waited_s = time.monotonic() - began_s
        raise ActivityFailed(f"not whole after {waited_s:.0f} s: {error}") from error
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
