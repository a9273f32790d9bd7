"""A planned move of the primary, and the loss of the standby."""

from __future__ import annotations

import math

from architecture.design import Design
from simulator.failover.checks import down_s, failed_check_s
from simulator.failover.circumstances import Circumstances
from simulator.failover.delays import (
    CATCH_UP_S,
    KEEPER_LOOKS_EVERY_S,
    MOVE_BEGINS_S,
    MOVE_LOOKS_EVERY_S,
    PATRONI_LOOKS_S,
    SHUTDOWN_S,
    STANDBY_REPLIES_EVERY_S,
    STANDBY_SILENCE_S,
    at_share,
)
from simulator.failover.parts import reconnection_s
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms, TermTimes, survives_standby


def switched_over(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """The primary moves to the other node on purpose.

    Nobody waits for a lease: the old primary shuts down, gives the standby a second to catch up,
    and lets go. The balancers are told at once.
    """
    if terms.standby is None:
        return Recovery(TermTimes())  # Patroni refuses; nothing moves
    begins_s = at_share(MOVE_BEGINS_S, chance.begins)
    stop_s = at_share(SHUTDOWN_S, chance.shutdown)
    times = TermTimes(
        detect_s=begins_s,
        election_s=CATCH_UP_S,
        promote_s=stop_s + at_share(design.database.promotion_s, chance.promotion),
        reroute_s=chance.standby_check * MOVE_LOOKS_EVERY_S,
        reconnect_s=chance.reconnection * reconnection_s(design),
    )
    connected_s = (
        begins_s + times.election_s + times.promote_s + times.reroute_s + times.reconnect_s
    )
    return Recovery(times, begins_s=begins_s, reads_s=connected_s, writes_s=connected_s)


def standby_lost(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """The standby falls silent: commits wait until it is out of their way (D-02).

    In strict mode they wait until it is back. Without a quorum the primary steps down (D-01).
    """
    check = design.edge.api_check
    api_s = 0.0
    if terms.api_struck:
        noticed_s = down_s(check, chance.api_check, failed_check_s(check, silent=True))
        api_s = noticed_s if terms.api_survives else math.inf
    database = design.database
    if not survives_standby(design, terms.primary):
        never = TermTimes(detect_s=math.inf)
        return Recovery(never, api_s=api_s, chat_s=api_s, writes_s=math.inf)
    lease = database.lease
    if database.replication == "asynchronous" or database.commit == "local" or lease is None:
        return Recovery(TermTimes(detect_s=api_s), api_s=api_s, chat_s=api_s)
    strict = database.replication == "synchronous-strict"
    gone_s = (
        STANDBY_SILENCE_S
        - chance.reply_age * STANDBY_REPLIES_EVERY_S
        + chance.keeper_look * KEEPER_LOOKS_EVERY_S
    )
    times = TermTimes(
        detect_s=max(gone_s, api_s),
        election_s=math.inf if strict else at_share(PATRONI_LOOKS_S, chance.loop),
    )
    commits_s = gone_s + times.election_s
    return Recovery(times, api_s=api_s, chat_s=api_s, writes_s=commits_s)
