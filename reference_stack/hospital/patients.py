"""Synthetic patients: pure functions of seed and index, made in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, islice
from typing import Final, Literal
from uuid import UUID

import numpy as np

from reference_stack.hospital.conditions import (
    ALLERGIES,
    KINDS,
    OLDEST_YEARS,
    PREVALENCE,
    WITH_ALLERGY,
    WITH_SECOND_ALLERGY,
    Condition,
    Medication,
)
from reference_stack.hospital.demography import BLOOD_TYPE_SHARES, BLOOD_TYPES, draw_people
from reference_stack.hospital.identifiers import (
    CNS_SPAN,
    CNS_STRIDE,
    CPF_SPAN,
    CPF_STRIDE,
    RECORD_BASE,
    RECORD_SPAN,
    RECORD_STRIDE,
    cns,
    cpf,
    medical_record_number,
)
from reference_stack.hospital.names import (
    FAMILY_NAMES,
    FAMILY_SHARES,
    GIVEN_SHARES,
    Sex,
    given_names,
    pick,
)
from reference_stack.hospital.places import (
    CPF_REGION,
    MUNICIPALITIES,
    MUNICIPALITY_SHARES,
    Municipality,
)

BloodType = Literal["O+", "A+", "O-", "A-", "B+", "AB+", "B-", "AB-"]

# Ages are counted back from a fixed day, so that a seed means the same patients next year.
REFERENCE_DATE: Final = date(2025, 1, 1)
DAYS_A_YEAR: Final = 365.2425

#: Patients drawn together. A block is always drawn whole, so that a hospital of any size begins
#: with the same patients, and memory does not grow with it.
BLOCK: Final = 1000

# Keeps the streams of patients apart from those of clinicians under the same seed.
STREAM: Final = 1
_SECOND_GIVEN_NAME: Final = 0.33
_TWO_FAMILY_NAMES: Final = 0.8


@dataclass(frozen=True, slots=True)
class Patient:
    """One synthetic patient; `given` and `family` make up the full name.

    `cpf` and `cns` check like real ones and were given to nobody by this testbed; whether a living
    person bears the same number can't be known.
    """

    id: UUID
    medical_record_number: str
    given: str
    family: str
    sex: Sex
    birth_date: date
    municipality: Municipality
    cpf: str
    cns: str
    blood_type: str
    allergies: tuple[str, ...]
    conditions: tuple[Condition, ...]
    medications: tuple[Medication, ...]

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def city(self) -> str:
        return self.municipality.name

    @property
    def state(self) -> str:
        return self.municipality.state

    def age_years(self, on: date = REFERENCE_DATE) -> int:
        """Completed years of life on a day."""
        before_birthday = (on.month, on.day) < (self.birth_date.month, self.birth_date.day)
        return on.year - self.birth_date.year - before_birthday


def generate_patients(seed: int, count: int) -> list[Patient]:
    """The first `count` patients of the hospital `seed`.

    More of the same hospital begins with these. Ids, record numbers, CPF and CNS numbers are unique
    within a hospital (up to 90 million patients).
    """
    return list(islice(chain.from_iterable(patient_blocks(seed, count)), count))


def patient_blocks(seed: int, count: int) -> Iterator[list[Patient]]:
    """The same patients in lists of `BLOCK`, the last one shorter; one block in memory at a time.

    Raises `ValueError` for more patients than there are record numbers.
    """
    if count > RECORD_SPAN:
        raise ValueError(f"patients: {count} are more than there are record numbers")
    starts = np.random.default_rng(np.random.SeedSequence([seed, STREAM]))
    record_start = int(starts.integers(RECORD_SPAN))
    cpf_start, cns_start = int(starts.integers(CPF_SPAN)), int(starts.integers(CNS_SPAN))
    for first in range(0, count, BLOCK):
        numbers = (
            (
                medical_record_number(
                    RECORD_BASE + (record_start + index * RECORD_STRIDE) % RECORD_SPAN
                ),
                (cpf_start + index * CPF_STRIDE) % CPF_SPAN,
                cns((cns_start + index * CNS_STRIDE) % CNS_SPAN),
            )
            for index in range(first, first + BLOCK)
        )
        yield _block(seed, first // BLOCK, numbers)[: count - first]


def _block(seed: int, block: int, numbers: Iterator[tuple[str, int, str]]) -> list[Patient]:
    streams = np.random.SeedSequence([seed, STREAM, block]).spawn(4)
    ids, people, names, health = (np.random.default_rng(stream) for stream in streams)
    id_bytes = ids.bytes(16 * BLOCK)
    is_female, age_days = draw_people(people.random(BLOCK), people.random(BLOCK))
    places = pick(MUNICIPALITY_SHARES, people.random(BLOCK))
    given = pick(GIVEN_SHARES, names.random(BLOCK))
    second = pick(GIVEN_SHARES, names.random(BLOCK))
    has_second = (names.random(BLOCK) < _SECOND_GIVEN_NAME).tolist()
    family = pick(FAMILY_SHARES, names.random(BLOCK))
    family_2 = pick(FAMILY_SHARES, names.random(BLOCK))
    has_two = (names.random(BLOCK) < _TWO_FAMILY_NAMES).tolist()
    blood = pick(BLOOD_TYPE_SHARES, health.random(BLOCK))
    allergies = _allergies(health)
    conditions = _conditions(health, is_female, age_days)

    females, days = is_female.tolist(), age_days.tolist()
    blood_types = tuple(BLOOD_TYPES)
    patients = []
    for index, (record_number, cpf_rank, card) in enumerate(numbers):
        sex: Sex = "female" if females[index] else "male"
        birth_date = REFERENCE_DATE - timedelta(days=days[index])
        first_names = given_names(sex, birth_date.year)
        first, other = first_names[given[index]], first_names[second[index]]
        surname, surname_2 = FAMILY_NAMES[family[index]], FAMILY_NAMES[family_2[index]]
        place = MUNICIPALITIES[places[index]]
        has, takes = conditions[index]
        patients.append(
            Patient(
                id=UUID(bytes=id_bytes[16 * index : 16 * (index + 1)], version=4),
                medical_record_number=record_number,
                given=f"{first} {other}" if has_second[index] and other != first else first,
                family=(
                    f"{surname} {surname_2}" if has_two[index] and surname_2 != surname else surname
                ),
                sex=sex,
                birth_date=birth_date,
                municipality=place,
                cpf=cpf(cpf_rank, CPF_REGION[place.state]),
                cns=card,
                blood_type=blood_types[blood[index]],
                allergies=allergies[index],
                conditions=has,
                medications=takes,
            )
        )
    return patients


def _allergies(health: np.random.Generator) -> list[tuple[str, ...]]:
    has = health.random(BLOCK) < WITH_ALLERGY
    has_second = health.random(BLOCK) < WITH_SECOND_ALLERGY
    first = health.integers(len(ALLERGIES), size=BLOCK)
    # A step that is no multiple of their number never meets the first again.
    second = (first + health.integers(1, len(ALLERGIES), size=BLOCK)) % len(ALLERGIES)
    return [
        () if not one else (ALLERGIES[a], ALLERGIES[b]) if two else (ALLERGIES[a],)
        for one, two, a, b in zip(
            has.tolist(), has_second.tolist(), first.tolist(), second.tolist(), strict=True
        )
    ]


def _conditions(
    health: np.random.Generator, is_female: np.ndarray, age_days: np.ndarray
) -> list[tuple[tuple[Condition, ...], tuple[Medication, ...]]]:
    years = np.minimum(age_days / DAYS_A_YEAR, OLDEST_YEARS).astype(np.int64)
    prevalence = PREVALENCE[:, np.where(is_female, 0, 1), years]
    drawn = health.random((len(KINDS), BLOCK)) < prevalence
    choices = health.random((len(KINDS), BLOCK))
    health_of: list[tuple[list[Condition], list[Medication]]] = [([], []) for _ in range(BLOCK)]
    for kind, patient in zip(*(axis.tolist() for axis in np.nonzero(drawn)), strict=True):
        has, takes = health_of[patient]
        has.append(KINDS[kind].condition)
        options = KINDS[kind].medications
        if options:
            medication = options[int(choices[kind, patient] * len(options))]
            if medication not in takes:
                takes.append(medication)
    return [(tuple(has), tuple(takes)) for has, takes in health_of]
