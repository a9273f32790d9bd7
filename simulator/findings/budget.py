"""D-10, D-11: planned work against the error budget, and which uptime is meant."""

from __future__ import annotations

from simulator.availability.planned import planned_work
from simulator.findings.finding import Finding, Mend, calculated
from simulator.findings.inquiry import Inquiry

HOURS_A_YEAR = 8766.0


def drills(inquiry: Inquiry) -> Finding:
    """D-10: hours of drills against what 99.9 % allows in a year."""
    design = inquiry.design
    promised = next((o.at_least for o in design.objectives if o.metric == "availability"), 0.999)
    budget_h = (1 - float(promised or 0.999)) * HOURS_A_YEAR
    planned = [drill for drill in design.drills.values() if drill.promised_downtime_s is None]
    literal_h = sum(drill.per_year * drill.duration_h for drill in planned)
    others_h = sum(
        drill.per_year * drill.promised_downtime_s / 3600
        for drill in design.drills.values()
        if drill.promised_downtime_s is not None
    )
    mended_h = sum(work.downtime_h for work in planned_work(design) if work.name != "release")
    return Finding(
        id="D-10",
        claim='Drills that may cost "planned" downtime use up the yearly error budget',
        method="calculation",
        how="hours of the drills whose downtime is said to be planned · how often, against "
        f"(1 − {promised:g}) of a year",
        evidence=(
            calculated("error budget", budget_h, "h/year"),
            calculated("drills with 'planned' downtime, for their whole length", literal_h,
                       "h/year"),
            calculated("… times the budget", literal_h / budget_h),
            calculated("drills with a promised downtime, as promised", others_h, "h/year"),
            calculated("… share of the budget", others_h / budget_h),
        ),
        verdict="held" if literal_h > budget_h else "refuted",
        reason=f"{literal_h:g} h against {budget_h:.2f} h",
        mend=Mend(
            what="full simulations as two switchovers, and an audit of records: no drill stops "
            "the service for its whole length",
            changes=("drills.*.effect",),
            evidence=(
                calculated("downtime of all drills", mended_h, "h/year"),
                calculated("… share of the budget", mended_h / budget_h),
            ),
        ),
        experiment="",
    )  # fmt: skip


def which_uptime(inquiry: Inquiry) -> Finding:
    """D-11: one design, four uptimes."""
    design = inquiry.design
    emergency = design.emergency
    share = 0.0
    if emergency is not None:
        share = emergency.users / design.workload.users * emergency.functions_share
    every = inquiry.downtime("time-based, every function for everybody", design)
    answers = inquiry.downtime(
        "time-based, the emergency mode counts as up", design, "with_emergency"
    )
    requests = inquiry.downtime("request-based", design, "request_based")
    capacity = inquiry.downtime("capacity-weighted", design, "capacity_weighted")
    apart = answers.value.upper < every.value.lower
    return Finding(
        id="D-11",
        claim="Whether the emergency mode counts as up decides what the uptime is",
        method="simulation",
        how="yearly downtime by four definitions from the same simulated years",
        evidence=(
            calculated("users · functions in an emergency, share of normal", share),
            every,
            answers,
            requests,
            capacity,
        ),
        verdict="held" if apart else "inconclusive",
        reason="the intervals do not overlap" if apart else "the intervals overlap",
        mend=Mend(
            what="name the definition with every uptime; promise the capacity-weighted one",
            changes=("objectives.B-01.availability",),
            evidence=(capacity,),
        ),
    )
