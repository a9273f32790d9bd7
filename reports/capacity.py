"""The chapter on capacity: a page's worth per design, as its run recorded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evidence import Run
from evidence.record import RecordError
from reports import wording

KIND: Final = "capacity-answers"
GIB: Final = 2**30


@dataclass(frozen=True)
class Line:
    """A row of words; the first cell is its heading."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class CapacityPage:
    """What one design can carry.

    Attributes:
        design: Its name.
        users: How many were asked for.
        bottleneck: One sentence.
        rooms: Most users, over the asked, and what gives way; with everything up and without sites.
        operations: 95th percentile at the peak, and whether 100 ms hold (D-12).
        machines: Memory, its share, bandwidth and accelerator (D-17).
        losses: What a lost site takes along (D-15).
        storms: What the minutes after a fault are like (D-16).
        cost: One sentence.
        run: The run's name.
    """

    design: str
    users: int
    bottleneck: str
    rooms: tuple[Line, ...]
    operations: tuple[Line, ...]
    machines: tuple[Line, ...]
    losses: tuple[Line, ...]
    storms: tuple[Line, ...]
    cost: str
    run: str


def capacity_pages(runs: Sequence[Run]) -> tuple[CapacityPage, ...]:
    """The newest answers on each design that the runs hold, by the design's name.

    Raises:
        RecordError: when a record of kind ``capacity-answers`` is not one.
    """
    newest: dict[str, CapacityPage] = {}
    for run in sorted(runs, key=lambda run: run.record.started):
        if run.record.kind != KIND:
            continue
        try:
            document: Any = run.record.outcome
            newest[document["design"]] = _page(document, run.name)
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{run.path}: outcome: {error!r}") from error
    return tuple(newest[name] for name in sorted(newest))


def _page(document: Mapping[str, Any], run: str) -> CapacityPage:
    rooms = {"everything up": document["head_room"]["peak"]}
    rooms |= {f"without {name}": r for name, r in document["head_room"]["without"].items()}
    total = document["cost"]["total_brl"]
    low, typical, high = (wording.count(total[key]) for key in ("low", "typical", "high"))
    return CapacityPage(
        design=document["design"],
        users=document["users"],
        bottleneck=_bottleneck(document["bottleneck"]),
        rooms=tuple(
            Line(name, (wording.count(room["users"]), f"{room['over']:+.0%}", room["reason"]))
            for name, room in rooms.items()
        ),
        operations=tuple(
            Line(name, (wording.seconds(found["p95_s"]), "yes" if found["holds"] else "no"))
            for name, found in document["under_100_ms"].items()
        ),
        machines=tuple(_machine(name, found) for name, found in document["machines"].items()),
        losses=tuple(_loss(name, found) for name, found in document["lost_with"].items()),
        storms=tuple(_storm(found) for found in document["storms"]),
        cost=f"R$ {typical} over {document['cost']['years']:g} years ({low} to {high}), "
        "without people, licences and network",
        run=run,
    )


def _bottleneck(found: Mapping[str, Any]) -> str:
    busiest, growing = found["by_utilisation"], found["by_growth"]
    share = wording.share(round(found["utilisation"][busiest], 3))
    words = f"Busiest is {busiest}, at {share}"
    if growing == busiest:
        return f"{words}; its waits also grow fastest with the load."
    growth = wording.seconds(found["growth_s"][growing])
    return f"{words}; waits grow fastest at {growing}: by {growth} for the last fifth of the users."


def _machine(name: str, found: Mapping[str, Any]) -> Line:
    used = sum(value for key, value in found.items() if key.endswith("_bytes") and _used(key))
    memory = found.get("memory_bytes")
    shown = f"{used / GIB:.1f}{wording.NBSP}GiB"
    if memory:
        shown = f"{shown} of {memory / GIB:.0f}{wording.NBSP}GiB"
    return Line(
        name,
        (
            shown,
            _share(found.get("memory_share")),
            _share(found.get("bandwidth_share")),
            _share(found.get("accelerator_utilisation")),
        ),
    )


def _used(key: str) -> bool:
    return key != "memory_bytes"


def _share(value: float | None) -> str:
    return "–" if value is None else wording.share(round(value, 3))


def _loss(name: str, found: Mapping[str, Any]) -> Line:
    lost = ", ".join(found["operations"]) or "nothing"
    return Line(name, (lost, _share(found["failed_share"])))


def _storm(found: Mapping[str, Any]) -> Line:
    who = {"never": "nobody", "always": "everybody", "emergency": "everybody, by password"}
    quiet = found["quiet_again_s"]
    after = "not within ten minutes" if isinstance(quiet, str) else wording.seconds(quiet)
    peak = found["most_arrivals"]
    return Line(
        f"{found['fault']}; {who[found['relogin']]} logs in again",
        (
            "without measure" if isinstance(peak, str) else f"{peak:.1f} times the usual",
            wording.count(found["turned_away"]),
            after,
            f"{found['busiest']}, {_share(found['utilisation'])}",
        ),
    )
