"""How often things are looked at, from the design's own health checks."""

from __future__ import annotations

from dataclasses import dataclass

from architecture.design import Design

# Rules are evaluated this many times per scrape, so that they add little to the time to an alert.
EVALUATIONS_PER_SCRAPE = 5
# Alertmanager waits this long for others to join a new group's first message.
GROUP_WAIT_S = 1.0
# The probe is one client that tries once a second: an outage is seen to a second.
PROBE_EVERY_S = 1.0


@dataclass(frozen=True)
class Pace:
    """Seconds between scrapes and between evaluations, and how long a scrape may take."""

    scrape_s: float
    scrape_timeout_s: float
    evaluation_s: float
    group_wait_s: float = GROUP_WAIT_S

    @property
    def missed_twice_s(self) -> float:
        """How long a target must be down to have missed two scrapes: one may be chance."""
        return self.scrape_s + self.evaluation_s

    def alert_bound_s(self, for_s: float) -> float:
        """Longest time from a target's death to its alert at the receiver.

        A whole scrape interval and its time-out pass before the first failed scrape is recorded,
        then the rule's ``for``, one evaluation, and Alertmanager's group wait.
        """
        return self.scrape_s + self.scrape_timeout_s + for_s + self.evaluation_s + self.group_wait_s


def pace(design: Design) -> Pace:
    """The pace of ``design``: components are looked at as often as the balancer looks (B-04)."""
    check = design.edge.api_check
    return Pace(
        scrape_s=check.interval_s,
        scrape_timeout_s=min(check.timeout_s, check.interval_s),
        evaluation_s=check.interval_s / EVALUATIONS_PER_SCRAPE,
    )


def duration(seconds: float) -> str:
    """Seconds in Prometheus's notation, which knows no fractions: ``5s``, ``1500ms``, ``3d``."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
