"""Patients and staff: the same for the same seed, and spread as the published figures say."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from math import sqrt
from uuid import RFC_4122

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_stack.hospital.clinicians import (
    ROLE_SHARES,
    ROLES,
    SUPPORT_ROLES,
    clinician_password,
    generate_clinicians,
    generate_support_staff,
)
from reference_stack.hospital.conditions import KINDS, adult_prevalence
from reference_stack.hospital.demography import BLOOD_TYPES, PYRAMID
from reference_stack.hospital.fhir import patient_resource, resources
from reference_stack.hospital.identifiers import is_cns, is_cpf, is_medical_record_number
from reference_stack.hospital.patients import (
    BLOCK,
    REFERENCE_DATE,
    Patient,
    generate_patients,
    patient_blocks,
)

seeds = st.integers(0, 2**63)
counts = st.integers(0, 300)
SAMPLE = 20_000
#: Two-sided; with the 45 comparisons below one fails by chance in a thousand runs. Seeded: never.
Z = 4.3


@pytest.fixture(scope="module")
def people() -> list[Patient]:
    return generate_patients(2, SAMPLE)


def share_is(found: int, of: int, share: float) -> bool:
    return abs(found / of - share) <= Z * sqrt(share * (1 - share) / of)


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(0, 2 * BLOCK), counts)
def test_a_larger_hospital_begins_with_the_smaller_one(seed: int, one: int, two: int) -> None:
    few, many = sorted((one, two))
    assert generate_patients(seed, many)[:few] == generate_patients(seed, few)
    few, many = sorted((one % 100, two % 100))
    assert generate_clinicians(seed, many)[:few] == generate_clinicians(seed, few)


@settings(max_examples=20, deadline=None)
@given(seeds, counts)
def test_patients_are_unique_and_plausible(seed: int, count: int) -> None:
    patients = generate_patients(seed, count)
    for name in ("id", "medical_record_number", "cpf", "cns"):
        assert len({getattr(patient, name) for patient in patients}) == count
    for patient in patients:
        assert (patient.id.variant, patient.id.version) == (RFC_4122, 4)
        assert is_medical_record_number(patient.medical_record_number)
        assert is_cpf(patient.cpf)
        assert is_cns(patient.cns)
        assert date(1924, 12, 31) <= patient.birth_date <= REFERENCE_DATE
        assert patient.name == f"{patient.given} {patient.family}"
        assert len(set(patient.allergies)) == len(patient.allergies)
        assert len(set(patient.medications)) == len(patient.medications)


def test_numbers_stay_unique_in_a_large_hospital() -> None:
    seen: dict[str, set[str]] = {"cpf": set(), "cns": set(), "medical_record_number": set()}
    for block in patient_blocks(3, 10_000):
        for name, numbers in seen.items():
            numbers.update(getattr(patient, name) for patient in block)
    assert {name: len(numbers) for name, numbers in seen.items()} == dict.fromkeys(seen, 10_000)


def test_seeds_are_different_hospitals_without_people_in_common() -> None:
    hospitals = [{patient.id for patient in generate_patients(seed, 200)} for seed in range(10)]
    assert len(set().union(*hospitals)) == 10 * 200


def test_more_patients_than_record_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="record numbers"):
        next(patient_blocks(1, 90_000_001))


def test_ages_and_sexes_follow_the_census(people: list[Patient]) -> None:
    """Totals as published: 19.8 % under 15, 10.9 % of 65 and over, 51.5 % women; the pyramid's
    rounded shares may be off by 0.3 points on top of chance."""
    ages = [patient.age_years() for patient in people]
    for found, published in (
        (sum(age < 15 for age in ages), 0.198),
        (sum(age >= 65 for age in ages), 0.109),
        (sum(patient.sex == "female" for patient in people), 0.515),
    ):
        chance = Z * sqrt(published * (1 - published) / SAMPLE)
        assert abs(found / SAMPLE - published) < chance + 0.003
    groups = Counter((patient.sex, min(patient.age_years() // 5, 19)) for patient in people)
    for row, sex in enumerate(("female", "male")):
        for group in range(16):
            assert share_is(groups[sex, group], SAMPLE, float(PYRAMID[row, group])), (sex, group)


def test_blood_types_have_their_published_shares(people: list[Patient]) -> None:
    found = Counter(patient.blood_type for patient in people)
    assert set(found) == set(BLOOD_TYPES)
    assert all(share_is(found[kind], SAMPLE, share) for kind, share in BLOOD_TYPES.items())


def test_conditions_of_adults_have_their_published_prevalence(people: list[Patient]) -> None:
    adults = [patient for patient in people if patient.age_years() >= 18]
    found = Counter(one.code for patient in adults for one in patient.conditions)
    for kind in KINDS:
        assert share_is(found[kind.condition.code], len(adults), adult_prevalence(kind)), kind


def test_conditions_fit_age_and_sex(people: list[Patient]) -> None:
    for patient in people:
        codes = {condition.code for condition in patient.conditions}
        if patient.age_years() < 17:
            assert not codes & {"I10", "E11", "E78", "I25", "J44", "C61", "G30", "N40", "M81"}
        if patient.sex == "male":
            assert "C50" not in codes
        else:
            assert not codes & {"C61", "N40"}


def test_hypertension_grows_with_age(people: list[Patient]) -> None:
    """PNS 2019: 2.8 % at 18 to 29 years, 62.1 % at 75 and over."""

    def share(low: int, high: int) -> float:
        those = [patient for patient in people if low <= patient.age_years() <= high]
        return sum(any(one.code == "I10" for one in p.conditions) for p in those) / len(those)

    assert share(18, 29) < 0.06
    assert 0.5 < share(75, 99) < 0.75


def test_clinicians_are_unique_and_can_be_typed() -> None:
    clinicians = generate_clinicians(5, 300) + generate_support_staff(5)
    assert len({clinician.id for clinician in clinicians}) == len(clinicians)
    assert len({clinician.username for clinician in clinicians}) == len(clinicians)
    for clinician in clinicians:
        assert re.fullmatch(r"[a-z]+\.[a-z]+\.\d{4,}", clinician.username)
    assert tuple(person.role for person in clinicians[300:]) == SUPPORT_ROLES


def test_registrations_belong_to_the_profession() -> None:
    councils = {
        "physician": r"CRM-SP \d{6}", "nurse": r"COREN-SP \d{6}-ENF", "pharmacist": r"CRF-SP \d{5}",
    }  # fmt: skip
    for person in generate_clinicians(5, 100) + generate_support_staff(5):
        assert re.fullmatch(councils.get(person.role, ""), person.registration)


def test_roles_have_their_shares() -> None:
    roles = [clinician.role for clinician in generate_clinicians(11, 5000)]
    for role, share in zip(ROLES, ROLE_SHARES, strict=True):
        assert share_is(roles.count(role), 5000, share)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_passwords_depend_on_secret_and_username_alone(one: str, two: str, name: str) -> None:
    password = clinician_password(one, name)
    assert re.fullmatch(r"[a-z2-7]{16}", password)
    assert password == clinician_password(one, name)
    if one != two:
        assert password != clinician_password(two, name)
        assert password != clinician_password(one, name + "x")


# Elements of http://hl7.org/fhir/R4/patient.html and of the data types that are used.
PATIENT_ELEMENTS = {"resourceType", "id", "meta", "extension", "identifier", "active", "name"}
PATIENT_ELEMENTS |= {"gender", "birthDate", "address"}
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
FHIR_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@pytest.mark.parametrize("seed", range(3))
def test_resources_keep_to_fhir_r4(seed: int) -> None:
    for patient in generate_patients(seed, 50):
        resource = patient_resource(patient)
        assert set(resource) == PATIENT_ELEMENTS
        assert FHIR_ID.fullmatch(resource["id"])
        assert FHIR_DATE.fullmatch(resource["birthDate"])
        assert resource["gender"] in {"male", "female", "other", "unknown"}
        (name,) = resource["name"]
        assert " ".join([*name["given"], name["family"]]) == name["text"] == patient.name
        record, taxpayer, card = resource["identifier"]
        assert record["type"]["coding"][0]["code"] == "MR"
        assert record["value"] == patient.medical_record_number
        assert is_cpf(taxpayer["value"])
        assert is_cns(card["value"])
        (address,) = resource["address"]
        assert re.fullmatch("[A-Z]{2}", address["state"])
        assert resource["meta"]["security"][0]["code"] == "HTEST"
        for extension in resource["extension"]:
            # R4: an extension has a URL and exactly one value.
            assert extension["url"].startswith("urn:prontuario:")
            assert len(extension) == 2
        others = list(resources(patient))
        assert len(others) == (
            len(patient.conditions) + len(patient.allergies) + len(patient.medications)
        )
        assert all(FHIR_ID.fullmatch(other["id"]) for other in others)
