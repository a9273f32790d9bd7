"""Synthetic patients: pure functions of seed and index."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

import numpy as np

from reference_stack.hospital.names import CITIES, FAMILY_NAMES, FEMALE_NAMES, MALE_NAMES

Sex = Literal["female", "male"]

# Ages are counted back from a fixed day, so that a seed means the same patients next year.
REFERENCE_DATE = date(2025, 1, 1)
OLDEST_DAYS = 100 * 365

# Record numbers are eight digits and a check digit. Walking through them with a stride that has no
# factor in common with their number visits each once.
RECORD_BASE = 10_000_000
RECORD_SPAN = 90_000_000
RECORD_STRIDE = 7_919_003
RECORD_LENGTH = 9

# Keeps the streams of patients apart from those of clinicians under the same seed.
STREAM = 1


@dataclass(frozen=True)
class Patient:
    """One synthetic patient; `given` and `family` make up the full name."""

    id: UUID
    medical_record_number: str
    given: str
    family: str
    sex: Sex
    birth_date: date
    city: str
    state: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def check_digit(digits: str) -> int:
    """Modulo-11 check digit, weights 2, 3, 4 … from the right; a remainder of 10 counts as 0."""
    weighted = sum(weight * int(digit) for weight, digit in enumerate(reversed(digits), start=2))
    return weighted % 11 % 10


def is_medical_record_number(text: str) -> bool:
    """Whether `text` is eight digits, the first not 0, and their check digit."""
    return (
        len(text) == RECORD_LENGTH
        and text.isascii()
        and text.isdigit()
        and text[0] != "0"
        and check_digit(text[:-1]) == int(text[-1])
    )


def medical_record_number(number: int) -> str:
    """The number (eight digits) with its check digit."""
    return f"{number}{check_digit(str(number))}"


def generate_patients(seed: int, count: int) -> list[Patient]:
    """The first `count` patients of the hospital `seed`.

    More of the same hospital begins with these. Ids and record numbers are unique within a
    hospital (up to 90 million patients). Ages are spread evenly over 0 to 100 years: this is no
    census.
    """
    streams = np.random.SeedSequence([seed, STREAM]).spawn(8)
    ids, sexes, firsts, seconds, families, families_2, days, cities = map(
        np.random.default_rng, streams
    )
    id_bytes = ids.bytes(16 * count)
    is_female = sexes.integers(2, size=count).tolist()
    first = firsts.integers(len(FEMALE_NAMES), size=count).tolist()
    # One patient in about three has a second given name.
    second = seconds.integers(3 * len(FEMALE_NAMES), size=count).tolist()
    family = families.integers(len(FAMILY_NAMES), size=count).tolist()
    family_2 = families_2.integers(len(FAMILY_NAMES), size=count).tolist()
    age_days = days.integers(OLDEST_DAYS, size=count).tolist()
    city = cities.integers(len(CITIES), size=count).tolist()
    start = int(ids.spawn(1)[0].integers(RECORD_SPAN))

    patients = []
    for index in range(count):
        names = FEMALE_NAMES if is_female[index] else MALE_NAMES
        given = names[first[index]]
        if second[index] < len(names) and names[second[index]] != given:
            given = f"{given} {names[second[index]]}"
        surname = FAMILY_NAMES[family[index]]
        if FAMILY_NAMES[family_2[index]] != surname:
            surname = f"{surname} {FAMILY_NAMES[family_2[index]]}"
        town, state = CITIES[city[index]]
        number = RECORD_BASE + (start + index * RECORD_STRIDE) % RECORD_SPAN
        patients.append(
            Patient(
                id=UUID(bytes=id_bytes[16 * index : 16 * (index + 1)], version=4),
                medical_record_number=medical_record_number(number),
                given=given,
                family=surname,
                sex="female" if is_female[index] else "male",
                birth_date=REFERENCE_DATE - timedelta(days=age_days[index]),
                city=town,
                state=state,
            )
        )
    return patients
