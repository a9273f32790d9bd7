"""One process ends: PostgreSQL, the API, or the language model."""

from __future__ import annotations

import math

from simpy import Environment

from architecture.design import Design
from architecture.edge import HealthCheck
from simulator.failover.checks import Steps, down_s, ended_s, marked_up
from simulator.failover.circumstances import Circumstances
from simulator.failover.delays import (
    API_START_S,
    CRASH_RECOVERY_S,
    MODEL_START_S,
    RESTART_PAUSE_S,
    STATUS_RETRY_S,
    at_share,
)
from simulator.failover.parts import reconnection_s
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms, TermTimes


def database_crashed(design: Design, _terms: Terms, chance: Circumstances) -> Recovery:
    """PostgreSQL ends on the primary: Patroni, which lives, starts it at its next loop.

    The lease is kept all the while. When crash recovery lasts longer than the balancer's patience
    the server is marked down, and must be marked up again.
    """
    lease = design.database.lease
    if lease is None:
        raise ValueError(f"design {design.name}: database.lease is needed")
    check = design.edge.database_check
    detect_s = chance.loop * lease.loop_wait_s
    promote_s = at_share(CRASH_RECOVERY_S, chance.restart)
    back_s = detect_s + promote_s
    failed_s = min(STATUS_RETRY_S, check.timeout_s)
    up_s = up_again_s(
        check, back_s, down_s(check, chance.database_check, failed_s), failed_s=failed_s
    )
    reconnect_s = chance.reconnection * reconnection_s(design)
    times = TermTimes(
        detect_s=detect_s, promote_s=promote_s, reroute_s=up_s - back_s, reconnect_s=reconnect_s
    )
    connected_s = up_s + reconnect_s
    return Recovery(times, reads_s=connected_s, writes_s=connected_s)


def api_crashed(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """The serving API ends: another takes over, unless it is back before the balancer notices."""
    times, api_s = _process_back(design, chance, API_START_S, survives=terms.api_survives)
    return Recovery(times, api_s=api_s, chat_s=api_s)


def model_crashed(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """The language model ends; its API says so at once, to the balancer and to who asks."""
    times, chat_s = _process_back(design, chance, MODEL_START_S, survives=terms.chat_survives)
    return Recovery(times, chat_s=chat_s)


def _process_back(
    design: Design, chance: Circumstances, start_s: tuple[float, float, float], *, survives: bool
) -> tuple[TermTimes, float]:
    check = design.edge.api_check
    noticed_s = down_s(check, chance.api_check, 0.0)
    back_s = RESTART_PAUSE_S + at_share(start_s, chance.restart)
    if survives and noticed_s <= back_s:
        return TermTimes(detect_s=noticed_s), noticed_s
    up_s = up_again_s(check, back_s, noticed_s)
    return TermTimes(promote_s=back_s, reroute_s=up_s - back_s), up_s


def up_again_s(
    check: HealthCheck, back_s: float, noticed_s: float, *, failed_s: float = 0.0
) -> float:
    """When the balancer leads to a server again that serves from ``back_s`` on.

    At once when it is back before it is given up (``noticed_s``).
    """
    if back_s <= noticed_s or math.isinf(noticed_s):
        return back_s
    env = Environment(initial_time=noticed_s)
    alive = env.process(_elapses(env, back_s - noticed_s))
    up = env.process(marked_up(env, check, 1.0, alive, failed_s))
    env.run(until=up)
    return ended_s(up)


def _elapses(env: Environment, seconds: float) -> Steps:
    yield env.timeout(seconds)
    return float(env.now)
