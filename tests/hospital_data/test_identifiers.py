"""Identity numbers check as the authorities' rules say, and no two people share one."""

from __future__ import annotations

from math import gcd

from hypothesis import given
from hypothesis import strategies as st

from reference_stack.hospital.identifiers import (
    CNS_SPAN,
    CNS_STRIDE,
    CPF_SPAN,
    CPF_STRIDE,
    RECORD_SPAN,
    RECORD_STRIDE,
    check_digit,
    cns,
    cpf,
    is_cns,
    is_cpf,
    is_medical_record_number,
    medical_record_number,
)

regions = st.integers(0, 9)


def test_the_record_numbers_digit_is_that_of_a_worked_example() -> None:
    """12345678: 8·2 + 7·3 + 6·4 + 5·5 + 4·6 + 3·7 + 2·8 + 1·9 = 156 = 14·11 + 2."""
    assert check_digit("12345678") == 2
    assert is_medical_record_number("123456782")
    assert not is_medical_record_number("123456783")
    assert not is_medical_record_number("12345678")
    assert not is_medical_record_number("012345672")


def test_cpf_digits_are_those_of_the_usual_worked_example() -> None:
    """111.444.777-35: 162 = 14·11 + 8 gives 3, 204 = 18·11 + 6 gives 5."""
    assert is_cpf("11144477735")
    assert not is_cpf("11144477734")
    assert not is_cpf("11111111111")


def test_cns_is_a_multiple_of_eleven_as_the_ministry_has_it() -> None:
    """700000000000005: 15·7 + 1·5 = 110 = 10·11."""
    assert is_cns("700000000000005")
    assert cns(0) == "700000000000005"
    assert not is_cns("700000000000006")
    assert not is_cns("300000000000009")


@given(st.integers(10_000_000, 99_999_999), st.integers(0, 7), st.integers(1, 9))
def test_record_numbers_betray_a_mistyped_digit(number: int, place: int, shift: int) -> None:
    """A single wrong digit goes unseen only where the remainder 10 was folded to 0."""
    digits = str(number)
    wrong = str((int(digits[place]) + shift) % 10)
    mistyped = digits[:place] + wrong + digits[place + 1 :]
    if check_digit(mistyped) == check_digit(digits):
        assert check_digit(digits) == 0
    assert is_medical_record_number(medical_record_number(number))


@given(st.integers(0, CPF_SPAN - 1), regions)
def test_every_cpf_checks_and_tells_its_region(rank: int, region: int) -> None:
    number = cpf(rank, region)
    assert is_cpf(number)
    assert number[8] == str(region)


@given(st.integers(0, CNS_SPAN - 1), st.integers(0, 14), st.integers(1, 9))
def test_every_cns_checks_and_betrays_a_mistyped_digit(rank: int, place: int, shift: int) -> None:
    """Weights 1…15 but 11 have no factor in common with 11: only that place can hide an error."""
    number = cns(rank)
    assert is_cns(number)
    wrong = str((int(number[place]) + shift) % 10)
    mistyped = number[:place] + wrong + number[place + 1 :]
    if place != 15 - 11:
        assert not is_cns(mistyped)


@given(st.sets(st.integers(0, CNS_SPAN - 1), max_size=30), regions)
def test_different_ranks_are_different_people(ranks: set[int], region: int) -> None:
    assert len({cns(rank) for rank in ranks}) == len(ranks)
    assert len({cpf(rank % CPF_SPAN, region) for rank in ranks}) == len(
        {rank % CPF_SPAN for rank in ranks}
    )


def test_strides_visit_every_number_once() -> None:
    for stride, span in (
        (CPF_STRIDE, CPF_SPAN), (CNS_STRIDE, CNS_SPAN), (RECORD_STRIDE, RECORD_SPAN),
    ):  # fmt: skip
        assert gcd(stride, span) == 1
