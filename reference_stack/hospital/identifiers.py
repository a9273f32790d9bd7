"""Numbers that identify people: how their check digits are computed, and unique series of them.

CPF: two modulo-11 digits over weights 10…2 and 11…2, a remainder below 2 giving 0 (Receita
Federal). CNS, the health card: fifteen digits whose sum weighted 15…1 is a multiple of 11;
provisional ones begin with 7, 8 or 9 (Ministério da Saúde, Cartão Nacional de Saúde). A number that
checks says nothing about who bears it, nor whether anybody does.
"""

from typing import Final

CPF_LENGTH: Final = 11
CNS_LENGTH: Final = 15
RECORD_LENGTH: Final = 9

# Record numbers are eight digits and a check digit. Walking through numbers with a stride that has
# no factor in common with how many there are visits each once.
RECORD_BASE: Final = 10_000_000
RECORD_SPAN: Final = 90_000_000
RECORD_STRIDE: Final = 7_919_003

# Eight digits that are not all alike, and the region's: so no CPF is of one digit repeated, which
# every validator refuses although its check digits fit.
CPF_SPAN: Final = 99_999_990
CPF_STRIDE: Final = 61_803_419
_BETWEEN_REPEATED: Final = 11_111_110

CNS_SPAN: Final = 5 * 10**11
CNS_STRIDE: Final = 309_016_994_413


def check_digit(digits: str) -> int:
    """Modulo-11 check digit, weights 2, 3, 4 … from the right; a remainder of 10 counts as 0."""
    weighted = sum(weight * int(digit) for weight, digit in enumerate(reversed(digits), start=2))
    return weighted % 11 % 10


def medical_record_number(number: int) -> str:
    """The number (eight digits) with its check digit."""
    return f"{number}{check_digit(str(number))}"


def is_medical_record_number(text: str) -> bool:
    """Whether `text` is eight digits, the first not 0, and their check digit."""
    return (
        len(text) == RECORD_LENGTH
        and text.isascii()
        and text.isdigit()
        and text[0] != "0"
        and check_digit(text[:-1]) == int(text[-1])
    )


def cpf(rank: int, region: int) -> str:
    """The CPF number of a rank in [0, `CPF_SPAN`), first registered in a fiscal region (0 to 9)."""
    number = rank + 1 + rank // _BETWEEN_REPEATED
    digits = f"{number:08}{region}"
    for _ in range(2):
        digits += str(_cpf_digit(digits))
    return digits


def _cpf_digit(digits: str) -> int:
    highest = len(digits) + 1
    remainder = sum((highest - place) * int(digit) for place, digit in enumerate(digits)) % 11
    return 0 if remainder < 2 else 11 - remainder  # noqa: PLR2004 - the rule's own number


def is_cpf(text: str) -> bool:
    """Whether `text` is eleven digits, not all alike, whose last two check the others."""
    if len(text) != CPF_LENGTH or not (text.isascii() and text.isdigit()) or len(set(text)) == 1:
        return False
    return _cpf_digit(text[:9]) == int(text[9]) and _cpf_digit(text[:10]) == int(text[10])


def cns(rank: int) -> str:
    """The provisional health card number of a rank in [0, `CNS_SPAN`).

    Bodies are even. Where the check digit would be 10 the body is raised by one, which moves the
    weighted sum by 2 and makes the digit 8: no body is met twice.
    """
    body = f"70{2 * rank:012}"
    digit = -_cns_sum(body) % 11
    if digit > 9:  # noqa: PLR2004 - the largest digit
        body = f"{body[:-1]}{int(body[-1]) + 1}"
        digit = -_cns_sum(body) % 11
    return f"{body}{digit}"


def _cns_sum(digits: str) -> int:
    return sum((CNS_LENGTH - place) * int(digit) for place, digit in enumerate(digits))


def is_cns(text: str) -> bool:
    """Whether `text` is fifteen digits of a definitive or provisional card that check."""
    return (
        len(text) == CNS_LENGTH
        and text.isascii()
        and text.isdigit()
        and text[0] in "12789"
        and _cns_sum(text) % 11 == 0
    )
