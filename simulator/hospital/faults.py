"""Faults on a timetable: what goes, when, and when each part is whole again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from architecture.design import Design
from architecture.errors import InputError
from simulator.failover import FAULTS, FaultName, draw_circumstances, faults_of, recover, resolve
from simulator.streams import Streams

WAN_CUT = "wan-cut"
# Led to the cloud: nothing of the hospital answers.
LED_AWAY = frozenset({"both-power-loss", "site-loss"})
Relogin = Literal["never", "emergency", "always"]

_FORM = re.compile(r"^(?P<what>[a-z0-9-]+)@(?P<at>\d+(\.\d+)?)(\+(?P<lasts>\d+(\.\d+)?))?$")


@dataclass(frozen=True)
class ScheduledFault:
    """One fault: a named one or the loss of a site. ``lasts_s`` None: it is not mended in time."""

    what: str
    at_s: float
    lasts_s: float | None = None

    def __str__(self) -> str:
        lasts = "" if self.lasts_s is None else f"+{self.lasts_s:g}"
        return f"{self.what}@{self.at_s:g}{lasts}"


@dataclass(frozen=True)
class Outage:
    """A fault as the model plays it. Times are seconds of the simulation's clock.

    Attributes:
        fault: What struck.
        sites: Sites that are down meanwhile.
        api_back_s: Requests reach an API again; infinite for never.
        reads_back_s: It can read a database again.
        writes_back_s: It can write to one.
        emergency: Whether they are led to the cloud's emergency mode.
        mended_s: Everything is as before; infinite for never.
        epoch: Whether requests under way were lost with the serving site.
    """

    fault: ScheduledFault
    sites: tuple[str, ...]
    api_back_s: float
    reads_back_s: float
    writes_back_s: float
    emergency: bool
    mended_s: float
    epoch: bool


def parse_fault(text: str, design: Design) -> ScheduledFault:
    """Read ``FAULT@SECONDS`` or ``FAULT@SECONDS+LASTS``.

    Raises:
        InputError: when it has another form or names no fault and no site of the design.
    """
    found = _FORM.match(text)
    names = (*faults_of(design), WAN_CUT, *design.sites)
    allowed = ", ".join(names)
    if found is None:
        raise InputError(
            f"'{text}' is not of the form FAULT@SECONDS or FAULT@SECONDS+LASTS",
            where="--fault", allowed=allowed,
        )  # fmt: skip
    what = found["what"]
    if what not in names:
        raise InputError(f"there is no fault '{what}'", where="--fault", allowed=allowed)
    lasts = found["lasts"]
    return ScheduledFault(what, float(found["at"]), None if lasts is None else float(lasts))


def plan_outages(
    design: Design, faults: Sequence[ScheduledFault], streams: Streams
) -> list[Outage]:
    """Draw how each fault goes, by the failover model (:mod:`simulator.failover`)."""
    outages = []
    for number, fault in enumerate(sorted(faults, key=lambda fault: fault.at_s)):
        outages.append(_outage(design, fault, streams, f"fault.{number}"))
    return outages


def _outage(design: Design, fault: ScheduledFault, streams: Streams, source: str) -> Outage:
    mended_s = math.inf if fault.lasts_s is None else fault.at_s + fault.lasts_s
    if fault.what == WAN_CUT:
        now_s = fault.at_s
        return Outage(
            fault, (), now_s, now_s, now_s, emergency=False, mended_s=mended_s, epoch=False
        )
    modelled: dict[str, FaultName] = {name: name for name in FAULTS}
    name = modelled.get(fault.what)
    if fault.what == design.database.sites[0] and design.database.replication != "none":
        name = "primary-power-loss"
    if name is None:
        return _site_lost(design, fault, mended_s)
    terms = resolve(design, name)
    recovery = recover(design, terms, draw_circumstances(streams.generator(source)))
    starts_s = fault.at_s + recovery.begins_s
    api_s = fault.at_s + max(recovery.takeover_s, recovery.api_s)
    return Outage(
        fault=fault,
        sites=_struck(design, name),
        api_back_s=min(api_s, mended_s),
        reads_back_s=min(max(fault.at_s + recovery.reads_s, starts_s), mended_s),
        writes_back_s=min(max(fault.at_s + recovery.writes_s, starts_s), mended_s),
        emergency=name in LED_AWAY and design.emergency is not None and api_s < mended_s,
        mended_s=mended_s,
        epoch=terms.api_struck or name in LED_AWAY,
    )


def _struck(design: Design, name: FaultName) -> tuple[str, ...]:
    """Sites that are down meanwhile; a process or a balancer takes no site along."""
    sites = design.database.sites
    if name in LED_AWAY:
        return tuple(n for n, site in design.sites.items() if site.role in {"active", "standby"})
    if name == "standby-power-loss":
        return sites[1:2]
    managed = design.database.managed is not None
    struck = name in {"primary-power-loss", "primary-crash", "primary-hang", "primary-partition"}
    return sites[:1] if struck and not managed else ()


def _site_lost(design: Design, fault: ScheduledFault, mended_s: float) -> Outage:
    """One site of several, without anything that takes its place until it is mended."""
    site = fault.what
    emergency = design.emergency.site if design.emergency is not None else None
    serving = {name for name in design.sites_with("api") if name != emergency}
    gone = serving <= {site} or set(design.sites_with("balancer")) <= {site}
    alone = design.database.sites == (site,)
    database_s = mended_s if alone else fault.at_s
    return Outage(
        fault=fault,
        sites=(site,),
        api_back_s=mended_s if gone else fault.at_s,
        reads_back_s=database_s,
        writes_back_s=database_s,
        emergency=False,
        mended_s=mended_s,
        epoch=gone,
    )
