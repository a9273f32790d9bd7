"""NEWS2, the National Early Warning Score: how ill a patient is, from seven vital signs.

Source: Royal College of Physicians, *National Early Warning Score (NEWS) 2*, London 2017, chart 1
(scores; oxygen saturation by scale 1) and table 1 (clinical risk). It is meant for patients of 16
years and older and not for pregnant ones. It supports a decision and makes none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Risk = Literal["low", "low-medium", "medium", "high"]

# Upper ends of the bands and their scores; the last band has no end.
_BANDS: Final[dict[str, tuple[tuple[float, int], ...]]] = {
    "respiratory_rate": ((8, 3), (11, 1), (20, 0), (24, 2), (float("inf"), 3)),
    "oxygen_saturation": ((91, 3), (93, 2), (95, 1), (float("inf"), 0)),
    "systolic_pressure": ((90, 3), (100, 2), (110, 1), (219, 0), (float("inf"), 3)),
    "heart_rate": ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (float("inf"), 3)),
    "temperature": ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (float("inf"), 2)),
}
_DECIMALS: Final = {"temperature": 1}
NEEDED: Final = (*_BANDS, "consciousness")
YOUNGEST_YEARS: Final = 16


@dataclass(frozen=True)
class EarlyWarning:
    """The score (0 to 20), its parts by vital sign, and the clinical risk."""

    score: int
    parts: dict[str, int]
    risk: Risk


def news2(signs: Mapping[str, float | str]) -> EarlyWarning | None:
    """The score of one set of vital signs; None while one of ``NEEDED`` is missing.

    Values as in `reference_stack.fhir.codes`: per minute, %, mmHg, °C, ACVPU. ``inhaled_oxygen``
    (L/min) left out means air. Values are rounded as they are read off: temperature to a tenth,
    the others to a whole number.
    """
    if any(name not in signs for name in NEEDED):
        return None
    parts = {name: _band(name, float(signs[name])) for name in _BANDS}
    parts["inhaled_oxygen"] = 2 if float(signs.get("inhaled_oxygen", 0)) > 0 else 0
    parts["consciousness"] = 0 if signs["consciousness"] == "A" else 3
    score = sum(parts.values())
    return EarlyWarning(score, parts, _risk(score, max(parts.values())))


def _band(name: str, value: float) -> int:
    read = round(value, _DECIMALS.get(name, 0))
    return next(score for end, score in _BANDS[name] if read <= end)


def _risk(score: int, highest_part: int) -> Risk:
    if score >= 7:  # noqa: PLR2004 - the chart's thresholds
        return "high"
    if score >= 5:  # noqa: PLR2004
        return "medium"
    return "low-medium" if highest_part == 3 else "low"  # noqa: PLR2004
