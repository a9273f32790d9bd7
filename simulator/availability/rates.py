"""The figures of a design's plant: from ranges to means and probabilities.

Every uncertain figure has a name, its key in the design. A replication either takes all at their
typical values or draws each once, from a stream of that name: two designs that share a key draw
alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from architecture.design import Design
from architecture.operations import FailureMode, Pauses, Power, Takeover
from architecture.values import Range
from simulator.availability.failover_means import FailoverMeans
from simulator.availability.lives import Life, life
from simulator.availability.plant import Numbers
from simulator.availability.structure import SEAT_FAULTS, Part, Structure
from simulator.streams import Streams

YEAR_H = 8760.0
SECOND_H = 1 / 3600
# A VRRP backup takes over after three advertisements and up to one more (RFC 5798, 6.1).
VRRP_ADVERTISEMENTS = 3.5

Value = Callable[[str, Range], float]


def typical(_key: str, figure: Range) -> float:
    """Every figure at its typical value."""
    return figure.typical


def drawn(streams: Streams) -> Value:
    """Each figure once from within its range; the same key always gives the same value.

    Triangular with the peak at the typical value, on a logarithmic scale: these ranges speak of
    factors ("a tenth of an hour to four hours"), and on a linear scale nearly every draw of many
    such figures together would be worse than all of them at their typical values.
    """

    def value(key: str, figure: Range) -> float:
        return streams.within_factor(f"availability.input.{key}", figure)

    return value


def numbers_for(structure: Structure, failover: FailoverMeans, value: Value = typical) -> Numbers:
    """The figures of a design's plant.

    Short outages (failovers, stalls) are taken at their mean: what is asked of them is how much
    they add up to, and a mean adds no noise to that (conditional expectation).
    """
    design = structure.design
    power = _power(design.power, value) if design.power is not None else {}
    failure, repair = [], []
    for index, part in enumerate(structure.parts):
        if part.mode == "power":
            pair = power[part.unit.name]
        elif part.mode == "releases":
            pair = _releases(design, value)
        elif part.mode == "pauses":
            pair = _pauses(design, value)
        else:
            pair = _mode(structure, index, part, value)
        failure.append(pair[0])
        repair.append(pair[1])
    return Numbers(
        failure=tuple(failure),
        repair=tuple(repair),
        timers=_timers(design, failover, value),
        probabilities=_probabilities(design, value),
    )


def _mode(structure: Structure, index: int, part: Part, value: Value) -> tuple[Life, Life]:
    mode = structure.design.failures[part.mode]
    key = f"failures.{part.mode}"
    between_h = value(f"{key}.mean_time_between_failures_h", mode.mean_time_between_failures_h)
    beta = 0.0
    if part.share != "all" and mode.common_cause is not None:
        beta = value(f"{key}.common_cause", mode.common_cause)
    share = {"all": 1.0, "alone": 1 - beta, "common": beta}[part.share]
    units = sum(other.mode == part.mode and other.share != "common" for other in structure.parts)
    repair_h = mean_repair_h(mode, key, units / between_h, value)
    if mode.deferral_h is not None and _goes_on_without(structure, index):
        repair_h += value(f"{key}.deferral_h", mode.deferral_h)
    failure = life(between_h / share if share > 0 else math.inf, mode.failure)
    return failure, life(repair_h, mode.repair)


def mean_repair_h(mode: FailureMode, key: str, failures_per_h: float, value: Value) -> float:
    """Mean repair, with the spares in the cupboard taken into account, hours.

    Each failure takes a spare and orders a new one, which comes after the repair time without
    spares. Orders under way are then Poisson with mean a = rate · that time, whatever its
    distribution (Palm's theorem; Sherbrooke, METRIC, 1968), a repair waits for expected
    backorders / rate, and exchanging takes ``mean_time_to_exchange_h`` on top.
    """
    without_h = value(f"{key}.mean_time_to_repair_h", mode.mean_time_to_repair_h)
    if not mode.spares or mode.mean_time_to_exchange_h is None:
        return without_h
    exchange_h = value(f"{key}.mean_time_to_exchange_h", mode.mean_time_to_exchange_h)
    wait_h = backorders(failures_per_h * without_h, mode.spares) / failures_per_h
    return min(exchange_h + wait_h, without_h)


def backorders(orders: float, spares: int) -> float:
    """Expected units waiting for a spare when orders under way are Poisson with mean ``orders``.

    E[(X − s)⁺] = orders − s + Σ_{x<s} (s − x)·P(X = x).
    """
    short = sum(
        (spares - x) * math.exp(-orders) * orders**x / math.factorial(x) for x in range(spares)
    )
    return max(orders - spares + short, 0.0)


def _goes_on_without(structure: Structure, unit: int) -> bool:
    """Whether clinicians lose nothing for long by this unit alone."""
    down = frozenset({unit})
    seats = range(len(structure.seats))
    served = any(structure.serves(down, seat) == structure.names for seat in seats)
    return served and structure.network(down) and structure.balancer(down) != ""


def _power(power: Power, value: Value) -> dict[str, tuple[Life, Life]]:
    """What of the grid's interruptions reaches the machines, by length.

    Interruptions are exponential with mean m. ``power-long``: the generator fails too; a battery
    that works bridges u hours, after which m are left on average (no memory). ``power-short``: the
    generator starts, but nothing bridges until it does.
    """
    per_year = value("power.interruptions_per_year", power.interruptions_per_year)
    mean_h = value("power.interruption_h", power.interruption_h)
    restart_h = value("power.restart_h", power.restart_h)
    drops = bridged = 0.0
    if power.ups is not None:
        drops = value("power.ups.fails", power.ups.fails)
        bridged = value("power.ups.runtime_h", power.ups.runtime_h)
    else:
        drops = 1.0
    reaches = drops + (1 - drops) * math.exp(-bridged / mean_h)
    start_h, fails = 0.0, 1.0
    if power.generator is not None:
        fails = value("power.generator.fails", power.generator.fails)
        start_h = value("power.generator.start_s", power.generator.start_s) * SECOND_H
    long_per_year = per_year * fails * reaches
    short_per_year = per_year * (1 - fails) * drops
    return {
        "power-long": (Life(_every_h(long_per_year)), Life(mean_h + restart_h)),
        "power-short": (Life(_every_h(short_per_year)), Life(start_h + restart_h, "constant")),
    }


def _every_h(per_year: float) -> float:
    return YEAR_H / per_year if per_year > 0 else math.inf


def _releases(design: Design, value: Value) -> tuple[Life, Life]:
    releases = design.releases
    assert releases is not None  # noqa: S101 - there is a part of it
    per_year = value("releases.per_year", releases.per_year)
    share = value("releases.failure_share", releases.failure_share)
    restore_h = value("releases.restore_h", releases.restore_h)
    return Life(_every_h(per_year * share)), Life(restore_h)


def _pauses(design: Design, value: Value) -> tuple[Life, Life]:
    pauses = design.pauses
    assert pauses is not None  # noqa: S101 - there is a part of it
    per_year = false_failovers_per_year(design, pauses, value)
    return Life(_every_h(per_year)), Life(value("pauses.rejoin_h", pauses.rejoin_h), "constant")


def false_failovers_per_year(design: Design, pauses: Pauses, value: Value = typical) -> float:
    """Failovers a year that nothing but a pause of the primary called for.

    A pause of more than x seconds has probability x^−α (x ≥ 1). The lease survives a pause shorter
    than what is left of it, between ttl − loop_wait and ttl; the failure detector acts after it has
    failed ``fall`` times, the first at a random share of its interval. The shorter patience counts,
    averaged over both phases.
    """
    lease = design.database.lease
    if lease is None:
        return 0.0
    tail = value("pauses.tail_index", pauses.tail_index)
    phases = (np.arange(50) + 0.5) / 50
    patience = (lease.ttl_s - lease.loop_wait_s * phases)[:, None]
    detector = design.database.failure_detector
    if detector is not None:
        check = detector.check
        failed_s = check.fall * check.timeout_s + (check.fall - 1) * check.transition_interval_s
        patience = np.minimum(patience, (failed_s + check.interval_s * phases)[None, :])
    outlast = float(np.mean(np.maximum(patience, 1.0) ** -tail))
    return value("pauses.per_year", pauses.per_year) * outlast


def _timers(design: Design, failover: FailoverMeans, value: Value) -> dict[str, Life]:
    redundancy, emergency = design.redundancy, design.redundancy.emergency

    def by_hand(name: str, takeover: Takeover) -> Life:
        return Life(value(f"redundancy.{name}.manual_recovery_h", takeover.manual_recovery_h))

    shared = design.edge.shared_address
    advertisement_s = shared.advertisement_s if shared is not None else 0.0
    nodes_by_hand = by_hand("nodes", redundancy.nodes)
    cloud_by_hand = by_hand("emergency", emergency)
    takeover = _short(failover.of("both-power-loss"), cloud_by_hand)
    if emergency.takeover_s is not None:
        takeover_s = value("redundancy.emergency.takeover_s", emergency.takeover_s)
        takeover = _short(takeover_s, cloud_by_hand)
    return {
        **{
            phase: _short(failover.of(fault), nodes_by_hand) for phase, fault in SEAT_FAULTS.items()
        },
        "by-hand": nodes_by_hand,
        "balancer": Life(VRRP_ADVERTISEMENTS * advertisement_s * SECOND_H or SECOND_H, "constant"),
        "balancer-by-hand": by_hand("balancers", redundancy.balancers),
        "stall": _short(failover.of("standby-power-loss"), _next_round(design)),
        "quorum": Life(value("redundancy.quorum_recovery_h", redundancy.quorum_recovery_h)),
        "takeover": takeover,
        "takeover-by-hand": cloud_by_hand,
        "return-decision": Life(value("redundancy.emergency.return_h", emergency.return_h)),
        "return": Life(
            value("redundancy.emergency.return_outage_s", emergency.return_outage_s) * SECOND_H,
            "constant",
        ),
    }


def _short(seconds: float, otherwise: Life) -> Life:
    """A failover's mean, or what happens when the failover model sees no end of it."""
    return Life(seconds * SECOND_H, "constant") if math.isfinite(seconds) else otherwise


def _next_round(design: Design) -> Life:
    """At the latest Patroni drops a lost standby in its next round."""
    lease = design.database.lease
    return Life((lease.loop_wait_s if lease is not None else 1.0) * SECOND_H, "constant")


def _probabilities(design: Design, value: Value) -> Mapping[str, float]:
    found: dict[str, float] = {}
    takeovers: dict[str, Takeover] = {
        "nodes": design.redundancy.nodes,
        "balancers": design.redundancy.balancers,
        "emergency": design.redundancy.emergency,
    }
    for name, takeover in takeovers.items():
        coverage = value(f"redundancy.{name}.coverage", takeover.coverage)
        found[f"{name}.covered"], found[f"{name}.uncovered"] = coverage, 1 - coverage
    return found
