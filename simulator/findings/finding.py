"""What a settled doubt consists of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from architecture.values import Range, Strict
from evidence import Estimate, Outcome

Method = Literal["calculation", "simulation", "experiment"]


class Figure(Strict):
    """One computed figure: what it is of, its value, and its unit.

    ``n`` of the estimate is 0 for what follows by calculation; else it counts trials or years.
    """

    what: str
    value: Estimate
    unit: str = ""
    source: str = Field(default="", description="of what went into it, where it is no design's key")


class Mend(Strict):
    """The cheapest change after which the doubt no longer holds."""

    what: str
    changes: tuple[str, ...] = Field(default=(), description="keys of the design, or a variant")
    cost_brl: Range | None = Field(
        default=None, description="of what must be bought; null: nothing"
    )
    evidence: tuple[Figure, ...] = Field(description="the same figures with the change made")


class Finding(Strict):
    """One doubt, settled or left open.

    ``verdict`` is about the doubt's claim: ``held`` when the evidence bears it out, ``refuted``
    when it contradicts it, ``inconclusive`` when only an experiment can tell (``experiment`` names
    it).
    """

    id: str = Field(pattern=r"^D-\d\d$")
    claim: str
    method: Method
    how: str
    evidence: tuple[Figure, ...]
    verdict: Outcome
    reason: str
    mend: Mend | None = None
    experiment: str = Field(default="", description="command that would settle or confirm it")
    runs: tuple[str, ...] = Field(default=(), description="records the evidence comes from")


def exactly(value: float) -> Estimate:
    """A figure that follows by calculation."""
    return Estimate(estimate=value, lower=value, upper=value, confidence=1.0, n=0)


def within(low: float, typical: float, high: float) -> Estimate:
    """A figure calculated from ranges: its plausible extremes and its typical value."""
    return Estimate(estimate=typical, lower=low, upper=high, confidence=1.0, n=0)


def over(figure: Range, scale: float = 1.0) -> Estimate:
    """A range of the catalogue or the design as a figure, times ``scale``."""
    return within(figure.low * scale, figure.typical * scale, figure.high * scale)


def calculated(what: str, value: float | Estimate, unit: str = "", source: str = "") -> Figure:
    """A figure by calculation."""
    estimate = value if isinstance(value, Estimate) else exactly(value)
    return Figure(what=what, value=estimate, unit=unit, source=source)
