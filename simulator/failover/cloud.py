"""Both nodes, the hospital, or its balancer are lost: the fallback controller and VRRP (B-14)."""

from __future__ import annotations

import math

from architecture.design import Design
from simulator.failover.checks import all_down_s, down_s, failed_check_s
from simulator.failover.circumstances import Circumstances
from simulator.failover.delays import (
    CLOUD_ACTS_S,
    CONTROLLER_RESTS_S,
    EDGE_QUESTION_S,
    at_share,
)
from simulator.failover.parts import (
    fallback_of,
    heir_patience_s,
    site_questions,
    targets_of,
)
from simulator.failover.recovery import Recovery
from simulator.failover.terms import Terms, TermTimes


def both_lost(design: Design, _terms: Terms, chance: Circumstances) -> Recovery:
    """Both nodes fall silent at once; the balancers and the WAN live.

    The controller holds them for down by its own checks *and* by the balancers' word, for which it
    then asks at the pace of a state in transition. It asks everyone once more, cuts the nodes'
    power and promotes the cloud. Reads go to the emergency API, which has a copy to read from, as
    soon as the balancer leads there.
    """
    fallback = fallback_of(design)
    check, edge = fallback.check, design.edge.api_check
    failed_s = failed_check_s(edge, silent=True)
    api_s = max(down_s(edge, share, failed_s) for share in (chance.api_check, chance.second_check))
    last = max(
        down_s(rule, chance.other_checks, failed_check_s(rule, silent=True))
        for rule in (edge, design.edge.database_check)
    )
    word_s = max(api_s, last) + chance.view_age * check.transition_interval_s
    noticed_s = max(
        all_down_s(check, chance.controller_checks[: targets_of(design, balancers=False)]), word_s
    )
    acts_s = at_share(CLOUD_ACTS_S, chance.cloud_acts)
    times = TermTimes(
        detect_s=noticed_s,
        election_s=check.timeout_s,
        promote_s=acts_s + at_share(design.database.promotion_s, chance.promotion),
    )
    writes_s = times.detect_s + times.election_s + times.promote_s
    return Recovery(times, api_s=api_s, chat_s=api_s, writes_s=writes_s, stalls=False)


def site_lost(
    design: Design, _terms: Terms, chance: Circumstances, word_after_s: float | None = None
) -> Recovery:
    """Nothing of the hospital answers. Clients leave for the cloud's own way in by themselves.

    ``word_after_s`` is when a person confirms the loss, seconds after the fault; the design's
    ``fallback.site_loss.after_s`` by default. Decided automatically, so many seconds of silence
    count from when the controller has noticed it.
    """
    fallback = fallback_of(design)
    check, rule = fallback.check, fallback.site_loss
    noticed_s = all_down_s(check, chance.controller_checks[: targets_of(design, balancers=True)])
    if rule.decided_by == "automatic":
        decided_s = noticed_s + rule.after_s
    else:
        decided_s = max(noticed_s, rule.after_s if word_after_s is None else word_after_s)
    obeys_s = chance.obeys * CONTROLLER_RESTS_S
    acts_s = at_share(CLOUD_ACTS_S, chance.cloud_acts)
    times = TermTimes(
        detect_s=noticed_s,
        election_s=decided_s - noticed_s,
        promote_s=obeys_s + site_questions(design) * EDGE_QUESTION_S + acts_s
        + at_share(design.database.promotion_s, chance.promotion),
    )  # fmt: skip
    return Recovery(times, takeover_s=math.inf, writes_s=decided_s + times.promote_s, stalls=False)


def balancer_lost(design: Design, terms: Terms, chance: Circumstances) -> Recovery:
    """The balancer that holds the address dies (D-09).

    Its heir takes the address over after VRRP's Master_Down_Interval. Where the address is not
    shared, clients leave for the next way in; if that is the cloud's they can read there, but not
    write, since the hospital's nodes are well and its database leads.
    """
    shared = design.edge.shared_address
    if not terms.shared or shared is None:
        writes_s = math.inf if terms.at_cloud else 0.0
        return Recovery(
            TermTimes(detect_s=math.inf), takeover_s=math.inf, writes_s=writes_s,
            stalls=not terms.at_cloud,
        )  # fmt: skip
    patience_s = heir_patience_s(shared.advertisement_s)
    takeover_s = patience_s - chance.advertisement * shared.advertisement_s
    return Recovery(TermTimes(detect_s=takeover_s), takeover_s=takeover_s)
