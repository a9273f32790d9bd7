"""Who lives in Brazil: ages, sexes and blood types.

Ages and sexes: IBGE, Censo Demográfico 2022, the pyramid of five-year groups in shares of the whole
population, rounded to a tenth of a percent (the oldest group to two places). Against the published
totals: under 15 years 19.8 %, 65 and over 10.9 %, women 51.5 %.

Blood types: shares in Brazil as the blood centres publish them (Hemoam): O+ 36, A+ 34, O− 9, A− 8,
B+ 8, AB+ 2.5, B− 2, AB− 0.5 %.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

GROUP_YEARS: Final = 5
#: The last group is open; ages in it go up to 99.
GROUPS: Final = 20

_MALE: Final = (
    *(3.2, 3.5, 3.4, 3.6, 3.8, 3.8, 3.7, 3.8, 3.8, 3.3),
    *(3.0, 2.7, 2.3, 1.8, 1.3, 0.8, 0.5, 0.2, 0.1, 0.02),
)
_FEMALE: Final = (
    *(3.1, 3.3, 3.3, 3.5, 3.8, 3.9, 3.9, 4.1, 4.1, 3.6),
    *(3.3, 3.0, 2.7, 2.1, 1.6, 1.1, 0.7, 0.4, 0.2, 0.05),
)

Shares = npt.NDArray[np.float64]

#: Share of each cell of the pyramid, sexes (female, male) × five-year groups; sums to 1.
PYRAMID: Final[Shares] = np.array((_FEMALE, _MALE)) / (sum(_FEMALE) + sum(_MALE))
_CELLS: Final[Shares] = np.cumsum(PYRAMID.ravel())

BLOOD_TYPES: Final = {
    "O+": 0.36, "A+": 0.34, "O-": 0.09, "A-": 0.08, "B+": 0.08, "AB+": 0.025, "B-": 0.02,
    "AB-": 0.005,
}  # fmt: skip
BLOOD_TYPE_SHARES: Final[Shares] = np.cumsum(tuple(BLOOD_TYPES.values()))


def draw_people(
    cells: Shares, within: Shares
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Sex (true: female) and age in days of people, from two uniform numbers each."""
    cell = np.minimum(np.searchsorted(_CELLS, cells, side="right"), 2 * GROUPS - 1)
    is_female = cell < GROUPS
    years = (cell % GROUPS + within) * GROUP_YEARS
    return is_female, np.floor(years * 365.2425).astype(np.int64)


def ages_by_year() -> Shares:
    """Share of each year of age 0…99, sexes (female, male) × 100; sums to 1."""
    by_year: Shares = np.repeat(PYRAMID / GROUP_YEARS, GROUP_YEARS, axis=1)
    return by_year
