"""Which way a vital sign goes, and which of its measurements do not fit the others.

Slopes are Theil–Sen's (the median of all pairwise slopes), with Sen's interval (P. K. Sen, JASA 63,
1968): a single wrong reading moves neither. Anomalies are found by the modified z-score
(B. Iglewicz and D. Hoaglin, *How to Detect and Handle Outliers*, 1993): 0.6745·(x − median)/MAD
beyond 3.5.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Direction = Literal["rising", "falling", "steady", "unknown"]

Z_95: Final = 1.959964
THRESHOLD: Final = 3.5
#: Below so many readings neither an interval nor an anomaly means anything.
FEWEST: Final = 5
#: Pairs grow with the square: these make 125,000.
MOST: Final = 500

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trend:
    """Slope per hour with its 95 % interval; None while there are too few readings."""

    slope_per_h: float | None
    lower_per_h: float | None
    upper_per_h: float | None
    direction: Direction


def trend(hours: Floats, values: Floats) -> Trend:
    """The trend of readings at these times (hours, any origin); the latest `MOST` of them count."""
    hours, values = hours[-MOST:], values[-MOST:]
    first, second = np.triu_indices(len(hours), k=1)
    spans = hours[second] - hours[first]
    apart = spans != 0
    slopes = np.sort((values[second] - values[first])[apart] / spans[apart])
    if len(hours) < FEWEST or not slopes.size:
        return Trend(None, None, None, "unknown")
    count = len(hours)
    # The variance of Kendall's S without ties; with ties it is smaller, the interval then wider
    # than it need be.
    reach = Z_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((slopes.size - reach) / 2))
    high = min(slopes.size - 1, math.ceil((slopes.size + reach) / 2))
    lower, upper = float(slopes[low]), float(slopes[high])
    direction: Direction = "rising" if lower > 0 else "falling" if upper < 0 else "steady"
    return Trend(float(np.median(slopes)), lower, upper, direction)


def anomalies(values: Floats) -> NDArray[np.bool_]:
    """Which readings do not fit the others."""
    if len(values) < FEWEST:
        return np.zeros(len(values), dtype=bool)
    away = np.abs(values - np.median(values))
    spread = float(np.median(away)) / 0.6745
    if spread == 0:
        # More than half are alike: the mean deviation takes over, as the authors advise.
        spread = float(np.mean(away)) * 1.253314
    if spread == 0:
        return np.zeros(len(values), dtype=bool)
    return away / spread > THRESHOLD
