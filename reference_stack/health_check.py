"""A health check as a state machine, by HAProxy's rules."""

from __future__ import annotations

from dataclasses import dataclass

from architecture.edge import HealthCheck


@dataclass(frozen=True)
class CheckState:
    """What is known of one target. ``against`` counts results in a row against the state."""

    up: bool = True
    against: int = 0


def after(check: HealthCheck, state: CheckState, *, success: bool) -> CheckState:
    """The state after one more result: down after ``fall`` failures, up after ``rise`` successes.

    A result that agrees with the state forgets those against it (HAProxy 2.x configuration
    manual, "fall", "rise").
    """
    if success == state.up:
        return CheckState(state.up)
    against = state.against + 1
    if against >= (check.fall if state.up else check.rise):
        return CheckState(success)
    return CheckState(state.up, against)


def pause_s(check: HealthCheck, state: CheckState) -> float:
    """Seconds from the end of a check to the next ("inter", "fastinter", "downinter")."""
    if state.against:
        return check.transition_interval_s
    return check.interval_s if state.up else check.settled_down_interval_s
