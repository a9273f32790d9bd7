"""Health checks: how long until a dead server is marked down, and a living one up.

The next check is scheduled from the end of the last (HAProxy configuration manual, "inter").
"""

from __future__ import annotations

import math
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


def one_by_one_s(check: HealthCheck, left: Sequence[float]) -> float:
    """When somebody who checks several silent targets in one thread holds all of them for down.

    Those that are due together are asked together; a target that is due while others are being
    asked waits for their time-out. So targets that are not in step hold each other up: each look
    costs a whole time-out, and they end up in groups that take turns.

    Args:
        check: The rule; down once ``fall`` checks have failed.
        left: Share of the interval until each target's next check, when all fall silent.
    """
    due_s = [share * check.interval_s for share in left]
    failures = [0] * len(due_s)
    ended_s = 0.0
    while min(failures) < check.fall:
        began_s = max(min(due_s), ended_s)
        ended_s = began_s + check.timeout_s
        for target, at_s in enumerate(due_s):
            if at_s <= began_s:
                failures[target] += 1
                settled = failures[target] >= check.fall
                pause_s = check.settled_down_interval_s if settled else check.transition_interval_s
                due_s[target] = ended_s + pause_s
    return ended_s


def one_by_one_bound_s(check: HealthCheck, targets: int) -> float:
    """Longest :func:`one_by_one_s` of ``targets`` targets.

    A target that becomes due at the end of the interval waits for a look under way, T. From one of
    its looks to the next it takes T + fast interval; when there are enough others to fill the fast
    interval, ceil(fast / T) + 1 groups take turns without a pause, and that many T.
    """
    fast_s, failed_s = check.transition_interval_s, check.timeout_s
    groups = math.ceil(fast_s / failed_s) + 1
    turn_s = groups * failed_s if targets >= groups else failed_s + fast_s
    waits_s = failed_s if targets > 1 else 0.0
    if targets > 2:  # noqa: PLR2004
        waits_s += min(fast_s, failed_s)
    return check.interval_s + waits_s + failed_s + (check.fall - 1) * turn_s
