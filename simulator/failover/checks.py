"""Health checks: how long until a dead server is marked down, and a living one up.

The next check is scheduled from the end of the last (HAProxy configuration manual, "inter").
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from simpy import Environment, Event

from architecture.edge import HealthCheck
from simulator.events import Fired

Steps = Generator[Event, object, float]


def failed_check_s(check: HealthCheck, *, silent: bool) -> float:
    """What one failing check takes: nothing when refused, the time-out when nothing answers."""
    return check.timeout_s if silent else 0.0


def down_s(check: HealthCheck, left: float, failed_s: float) -> float:
    """When a server dead from 0 on is marked down; ``left`` is the share until its next check."""
    first_s = left * check.interval_s
    return first_s + check.fall * failed_s + (check.fall - 1) * check.transition_interval_s


def all_down_s(check: HealthCheck, left: Sequence[float]) -> float:
    """When several silent targets, each checked by itself, are all marked down.

    Args:
        check: The rule.
        left: Share of the interval until each target's next check, when all fall silent.
    """
    failed_s = failed_check_s(check, silent=True)
    return max(down_s(check, share, failed_s) for share in left)


def detection_s(check: HealthCheck, *, silent: bool) -> float:
    """Longest time until a dead server is marked down.

    interval + fall·T + (fall − 1)·fast interval, where T is what a failing check takes. B-04's
    5 s × 3 with a time-out of 2 s: 5 + 3·2 + 2·5 = 21 s.
    """
    return down_s(check, 1.0, failed_check_s(check, silent=silent))


def marked_up_s(check: HealthCheck) -> float:
    """Longest time from a server's first good answer possible until it is marked up."""
    return check.settled_down_interval_s + (check.rise - 1) * check.transition_interval_s


def ended_s(process: Fired) -> float:
    """When a process that returns its end did."""
    return float(process.value)


def marked_down(env: Environment, check: HealthCheck, left: float, *, silent: bool) -> Steps:
    """The struck server is checked until it has failed ``fall`` times in a row."""
    failed_s = failed_check_s(check, silent=silent)
    yield env.timeout(left * check.interval_s)
    yield env.timeout(failed_s)
    for _ in range(check.fall - 1):
        yield env.timeout(check.transition_interval_s)
        yield env.timeout(failed_s)
    return float(env.now)


def marked_up(
    env: Environment, check: HealthCheck, left: float, alive: Event, failed_s: float = 0.0
) -> Steps:
    """A server that is down is checked until it has answered ``rise`` times after ``alive``.

    ``left`` is the share of the interval until its next check, ``failed_s`` what a failing one
    takes.
    """
    successes = 0
    yield env.timeout(left * check.settled_down_interval_s)
    while True:
        if alive.triggered:
            successes += 1
        else:
            successes = 0
            yield env.timeout(failed_s)
        if successes == check.rise:
            return float(env.now)
        rising = successes > 0
        yield env.timeout(check.transition_interval_s if rising else check.settled_down_interval_s)
