"""What happens over the years: failures and repairs, drills, alerts."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from architecture.topology import Service
from architecture.values import NonNegative, Positive, Range, Strict


class Failover(Strict):
    """What is promised when the active node is lost, apart from the recovery objectives."""

    trigger: Literal["primary-health-fails"]
    promised_s: Positive
    data_sync_checked: bool = Field(description="the standby takes over only if it is in sync")
    users_notified: bool
    requirements: tuple[str, ...] = ()


class ExponentialShape(Strict):
    """No memory: what is left does not depend on what has passed."""

    kind: Literal["exponential"] = "exponential"


class WeibullShape(Strict):
    """Weibull of the given shape: below 1 early failures, above 1 wear."""

    kind: Literal["weibull"]
    shape: Annotated[float, Field(ge=0.3, le=20)]


class LognormalShape(Strict):
    """Lognormal of the given coefficient of variation: most repairs short, some very long."""

    kind: Literal["lognormal"]
    cv: Annotated[float, Field(gt=0, le=10)]


Shape = Annotated[ExponentialShape | WeibullShape | LognormalShape, Field(discriminator="kind")]

Struck = Literal["site", "service", "switch", "wifi", "wan", "region", "software"]
_SHARED = ("switch", "wifi", "wan", "region", "software")
_KEYS: dict[str, Struck] = {
    "node": "site", "switch": "switch", "wifi": "wifi", "wan": "wan", "region": "region",
}  # fmt: skip


class FailureMode(Strict):
    """How often something fails and how long it takes to mend, each with a source and range.

    What it takes down while it lasts:

    - ``site``: one of ``sites`` with everything on it; each of them fails by itself;
    - ``service``: the service named by ``service`` on one of ``sites``;
    - ``switch``, ``wifi``, ``wan``: a network of the hospital; there are ``count`` of it, and it is
      down when all are;
    - ``region``: the cloud region; ``software``: every service on the hospital's ``sites`` at once
      (an operator's error, a corrupted configuration).
    """

    title: str
    strikes: Struck | None = Field(
        default=None, description="null: what the key begins with (node, switch, wifi, wan, region)"
    )
    service: Service | None = Field(default=None, description="for strikes: service")
    sites: tuple[str, ...] | None = Field(
        default=None,
        description="null: the hospital's sites without the edge; of a service, those running it",
    )
    count: int = Field(default=1, ge=1, le=4, description="how many there are of a network part")
    mean_time_between_failures_h: Range
    mean_time_to_repair_h: Range
    failure: Shape = ExponentialShape()
    repair: Shape = ExponentialShape()
    common_cause: Range | None = Field(
        default=None,
        description="share of a unit's failures that strike all units of the mode at once (beta)",
    )
    deferral_h: Range | None = Field(
        default=None,
        description="how long a repair waits to be begun while the service goes on without",
    )
    spares: int = Field(default=0, ge=0, le=20, description="spare units in the cupboard")
    mean_time_to_exchange_h: Range | None = Field(
        default=None, description="repair with a spare at hand; without, mean_time_to_repair_h"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.strikes == "service") != (self.service is not None):
            raise ValueError("service is given for strikes: service, and only then")
        if self.strikes in _SHARED[:-1] and self.sites is not None:
            raise ValueError(f"sites have no meaning for strikes: {self.strikes}")
        if self.count > 1 and self.strikes not in {None, "switch", "wifi", "wan"}:
            raise ValueError("count is for strikes: switch, wifi or wan; sites say it elsewhere")
        if self.spares and self.mean_time_to_exchange_h is None:
            raise ValueError("spares need mean_time_to_exchange_h")
        if self.common_cause is not None and self.common_cause.high > 1:
            raise ValueError("common_cause is a share: high must be at most 1")
        for figure in (self.mean_time_between_failures_h, self.mean_time_to_repair_h):
            if figure.low <= 0:
                raise ValueError("mean times must be above 0")
        return self

    def struck(self, key: str) -> Struck:
        """What the mode with this key takes down.

        Raises:
            ValueError: when neither ``strikes`` nor the key says so.
        """
        if self.strikes is not None:
            return self.strikes
        for word, struck in _KEYS.items():
            if key == word or key.startswith(f"{word}-"):
                return struck
        raise ValueError(f"strikes is needed: '{key}' does not begin with {', '.join(_KEYS)}")


STRUCK: tuple[str, ...] = get_args(Struck)


class Generator(Strict):
    """A stand-by generator: it takes over after ``start_s``, if it starts at all."""

    start_s: Range
    fails: Range = Field(description="share of outages in which it does not start or dies")


class Ups(Strict):
    """A battery before the sites: it bridges ``runtime_h``, if it works at all."""

    runtime_h: Range
    fails: Range = Field(description="share of outages in which it drops the load")


class Power(Strict):
    """The hospital's supply. Everything on its premises depends on it, the networks too."""

    interruptions_per_year: Range
    interruption_h: Range = Field(description="mean length")
    generator: Generator | None = None
    ups: Ups | None = None
    restart_h: Range = Field(description="from power to service again")


class Releases(Strict):
    """New software, on every node alike."""

    per_year: Range
    failure_share: Range = Field(description="share of releases that break the service")
    restore_h: Range = Field(description="until the old version serves again")
    release_s: Range = Field(description="outage of a release that goes well")


class Pauses(Strict):
    """A primary that lives but stands still (I/O, memory, scheduler, network).

    Pauses above one second come at random; one is longer than x seconds with probability
    x ** −tail_index (Pareto). A pause that outlasts the patience of the lease or of the failure
    detector ends in a failover that nothing but the pause called for.
    """

    per_year: Range = Field(description="pauses above one second")
    tail_index: Range
    rejoin_h: Range = Field(description="until the demoted node is a standby again")

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if self.tail_index.low < 1:
            raise ValueError("tail_index.low must be at least 1: below it no mean exists")
        return self


class Drill(Strict):
    """A planned exercise (B-19).

    ``effect`` says what clinicians have of it: ``none``; ``switchover``, a short outage of
    ``downtime_s``; ``outage``, nothing works as long as it lasts.
    """

    title: str
    every: Literal["day", "week", "month", "quarter", "year"]
    duration_h: Positive
    promised_downtime_s: NonNegative | None = Field(
        default=None, description="null: the documents say only 'planned'"
    )
    effect: Literal["none", "switchover", "outage"] = "none"
    downtime_s: Range | None = Field(default=None, description="of one switchover exercise")
    hour: int | None = Field(default=None, ge=0, le=23, description="when it begins; null: any")

    @model_validator(mode="after")
    def _downtime_given(self) -> Self:
        if (self.effect == "switchover") != (self.downtime_s is not None):
            raise ValueError("downtime_s is given for effect: switchover, and only then")
        return self

    @property
    def per_year(self) -> int:
        """How often a year."""
        return {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}[self.every]


class Alert(Strict):
    """An alert rule in the documents' literal form (B-18)."""

    expression: str
    for_s: NonNegative
    severity: Literal["info", "warning", "critical"]
    summary: str


def assumed(low: float, typical: float, high: float, why: str) -> Range:
    """A range nobody has measured, said so."""
    return Range(low=low, typical=typical, high=high, source=f"engineering estimate: {why}")


class Takeover(Strict):
    """How well one redundancy works when it is needed."""

    coverage: Range = Field(description="probability that the takeover works by itself")
    manual_recovery_h: Range = Field(description="until somebody has made it work")

    @model_validator(mode="after")
    def _probability(self) -> Self:
        if self.coverage.high > 1:
            raise ValueError("coverage is a probability: high must be at most 1")
        return self


class EmergencyTakeover(Takeover):
    """How the cloud's emergency mode begins and ends."""

    takeover_s: Range | None = Field(
        default=None,
        description="from the loss to the first answer of the cloud; null: by the failover model",
    )
    return_h: Range = Field(description="from whole nodes to the decision to go back to them")
    return_outage_s: Range = Field(description="outage of the way back")


class Redundancy(Strict):
    """How well the design's redundancies work when they are needed."""

    nodes: Takeover = Takeover(
        coverage=assumed(0.90, 0.98, 0.999, "no count of real failovers was found"),
        manual_recovery_h=assumed(0.25, 1, 4, "somebody is called, looks, and promotes by hand"),
    )
    balancers: Takeover = Takeover(
        coverage=assumed(0.95, 0.99, 0.999, "VRRP is simpler than a database's failover"),
        manual_recovery_h=assumed(0.25, 1, 4, "somebody is called and moves the address"),
    )
    emergency: EmergencyTakeover = EmergencyTakeover(
        coverage=assumed(0.80, 0.95, 0.99, "seldom used, so seldom seen to work"),
        manual_recovery_h=assumed(0.5, 1, 4, "somebody is called and promotes the cloud"),
        return_h=assumed(0.25, 1, 4, "an operator decides, checks the data and leads back"),
        return_outage_s=Range(
            low=6, typical=8, high=11, source="fail-backs of the stack's prototype: 6 to 11 s"
        ),
    )  # fmt: skip
    quorum_recovery_h: Range = assumed(0.25, 1, 4, "etcd is made whole by hand with one member")
