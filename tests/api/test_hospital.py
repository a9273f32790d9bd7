"""The synthetic hospital is the same for the same seed, and its documents are well formed."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from math import sqrt
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_stack.hospital.clinicians import (
    ROLE_SHARES,
    ROLES,
    clinician_password,
    generate_clinicians,
)
from reference_stack.hospital.fhir import patient_resource
from reference_stack.hospital.patients import (
    REFERENCE_DATE,
    check_digit,
    generate_patients,
    is_medical_record_number,
    medical_record_number,
)

seeds = st.integers(0, 2**63)
counts = st.integers(0, 300)


@given(seeds, counts, counts)
def test_a_larger_hospital_begins_with_the_smaller_one(seed: int, one: int, two: int) -> None:
    few, many = sorted((one, two))
    assert generate_patients(seed, many)[:few] == generate_patients(seed, few)
    assert generate_clinicians(seed, many)[:few] == generate_clinicians(seed, few)


@given(seeds, counts)
def test_patients_are_unique_and_plausible(seed: int, count: int) -> None:
    patients = generate_patients(seed, count)
    assert len({patient.id for patient in patients}) == count
    assert len({patient.medical_record_number for patient in patients}) == count
    for patient in patients:
        assert (patient.id.variant, patient.id.version) == (RFC_4122, 4)
        assert is_medical_record_number(patient.medical_record_number)
        assert date(1925, 1, 1) <= patient.birth_date <= REFERENCE_DATE
        assert patient.name == f"{patient.given} {patient.family}"


@given(seeds, counts)
def test_clinicians_are_unique_and_can_be_typed(seed: int, count: int) -> None:
    clinicians = generate_clinicians(seed, count)
    assert len({clinician.id for clinician in clinicians}) == count
    assert len({clinician.username for clinician in clinicians}) == count
    for clinician in clinicians:
        assert re.fullmatch(r"[a-z]+\.[a-z]+\.\d{4,}", clinician.username)
        assert clinician.role in ROLES


def test_record_numbers_stay_unique_in_a_large_hospital() -> None:
    numbers = {patient.medical_record_number for patient in generate_patients(3, 50_000)}
    assert len(numbers) == 50_000


def test_seeds_are_different_hospitals_without_people_in_common() -> None:
    hospitals = [{patient.id for patient in generate_patients(seed, 200)} for seed in range(20)]
    assert len(set().union(*hospitals)) == 20 * 200


@given(st.integers(10_000_000, 99_999_999), st.integers(0, 7), st.integers(1, 9))
def test_record_numbers_betray_a_mistyped_digit(number: int, place: int, shift: int) -> None:
    """A single wrong digit goes unseen only where the remainder 10 was folded to 0."""
    digits = str(number)
    wrong = str((int(digits[place]) + shift) % 10)
    mistyped = digits[:place] + wrong + digits[place + 1 :]
    if check_digit(mistyped) == check_digit(digits):
        assert check_digit(digits) == 0
    assert is_medical_record_number(medical_record_number(number))


def test_the_check_digit_is_that_of_a_worked_example() -> None:
    """12345678: 8·2 + 7·3 + 6·4 + 5·5 + 4·6 + 3·7 + 2·8 + 1·9 = 156 = 14·11 + 2."""
    assert check_digit("12345678") == 2
    assert is_medical_record_number("123456782")
    assert not is_medical_record_number("123456783")
    assert not is_medical_record_number("12345678")
    assert not is_medical_record_number("012345672")


def test_roles_have_their_shares() -> None:
    """Each share within 4.4 standard errors: fails by chance once in 30,000 (three roles)."""
    count = 20_000
    roles = [clinician.role for clinician in generate_clinicians(11, count)]
    for role, share in zip(ROLES, ROLE_SHARES, strict=True):
        error = sqrt(share * (1 - share) / count)
        assert abs(roles.count(role) / count - share) < 4.4 * error


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_passwords_depend_on_secret_and_username_alone(one: str, two: str, name: str) -> None:
    password = clinician_password(one, name)
    assert re.fullmatch(r"[a-z2-7]{16}", password)
    assert password == clinician_password(one, name)
    if one != two:
        assert password != clinician_password(two, name)
        assert password != clinician_password(one, name + "x")


# Elements of http://hl7.org/fhir/R4/patient.html and of the data types that are used.
PATIENT_ELEMENTS = {"resourceType", "id", "meta", "identifier", "active", "name", "gender"}
PATIENT_ELEMENTS |= {"birthDate", "address"}
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
FHIR_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@pytest.mark.parametrize("seed", range(5))
def test_resources_keep_to_fhir_r4(seed: int) -> None:
    for patient in generate_patients(seed, 50):
        resource = patient_resource(patient)
        assert set(resource) == PATIENT_ELEMENTS
        assert FHIR_ID.fullmatch(resource["id"])
        assert FHIR_DATE.fullmatch(resource["birthDate"])
        assert resource["gender"] in {"male", "female", "other", "unknown"}
        (name,) = resource["name"]
        assert " ".join([*name["given"], name["family"]]) == name["text"] == patient.name
        (identifier,) = resource["identifier"]
        assert identifier["type"]["coding"][0]["code"] == "MR"
        assert identifier["value"] == patient.medical_record_number
        (address,) = resource["address"]
        assert re.fullmatch("[A-Z]{2}", address["state"])
        assert address["country"] == "BR"
        assert resource["meta"]["security"][0]["code"] == "HTEST"


def test_ages_cover_a_whole_life() -> None:
    years = sorted(patient.birth_date.year for patient in generate_patients(2, 5000))
    assert all(later - earlier <= 1 for earlier, later in pairwise(years))
    assert years[0] <= 1926
    assert years[-1] >= 2023
