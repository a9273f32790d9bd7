"""Synthetic staff: roles, registrations, and passwords that follow from the stack's secret."""

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import numpy as np

from reference_stack.hospital.names import (
    FAMILY_NAMES,
    FAMILY_SHARES,
    GIVEN_SHARES,
    Sex,
    given_names,
    pick,
)

Role = Literal["physician", "nurse", "pharmacist", "receptionist", "administrator", "auditor"]

#: Who sees patients and writes of them: every numbered account of a load is one of these.
ROLES: Final[tuple[Role, ...]] = ("physician", "nurse")
# Shares on a ward; a choice of this testbed, not a statistic.
ROLE_SHARES: Final = (0.40, 0.60)

#: The others, the same few in a hospital of any size.
SUPPORT_ROLES: Final[tuple[Role, ...]] = (
    *("pharmacist", "pharmacist", "receptionist", "receptionist", "administrator", "auditor"),
)
#: Their usernames are numbered from here, so that they sort after every other account.
SUPPORT_NUMBER: Final = 9001

# Keeps the streams of staff apart from those of patients under the same seed.
STREAM: Final = 2
SUPPORT_STREAM: Final = 3
_WORKING_COHORT_YEAR: Final = 1985


@dataclass(frozen=True)
class Clinician:
    """One synthetic member of staff. The password is not part of it: see `clinician_password`.

    `registration` is the number with the professional council (CRM, COREN, CRF), empty for roles
    that have none. The numbers are drawn; whether somebody bears one can't be known.
    """

    id: UUID
    username: str
    name: str
    role: Role
    registration: str = ""


def clinician_password(secret: str, username: str) -> str:
    """The clinician's password: 80 bits of HMAC-SHA-256 under the stack's secret, in base32."""
    digest = hmac.digest(secret.encode(), f"clinician-password:{username}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:10]).decode().lower()


def generate_clinicians(seed: int, count: int) -> list[Clinician]:
    """The first `count` physicians and nurses of the hospital `seed`; more begin with these.

    Usernames are ASCII and unique: ``first.last.0001``.
    """
    shares = np.random.default_rng(np.random.SeedSequence([seed, STREAM, 1]))
    drawn = np.searchsorted(np.cumsum(ROLE_SHARES)[:-1], shares.random(count), side="right")
    return _staff([seed, STREAM], [ROLES[index] for index in drawn.tolist()], first_number=1)


def generate_support_staff(seed: int) -> list[Clinician]:
    """The hospital's pharmacists, receptionists, administrator and auditor."""
    return _staff([seed, SUPPORT_STREAM], SUPPORT_ROLES, first_number=SUPPORT_NUMBER)


def _staff(entropy: list[int], roles: Sequence[Role], *, first_number: int) -> list[Clinician]:
    count = len(roles)
    streams = np.random.SeedSequence(entropy).spawn(5)
    ids, sexes, firsts, families, councils = map(np.random.default_rng, streams)
    id_bytes = ids.bytes(16 * count)
    is_female = (sexes.random(count) < 0.65).tolist()  # noqa: PLR2004 - a choice, as above
    first = pick(GIVEN_SHARES, firsts.random(count))
    family = pick(FAMILY_SHARES, families.random(count))
    registered = councils.integers(100_000, 1_000_000, size=count).tolist()
    staff = []
    for index, role in enumerate(roles):
        sex: Sex = "female" if is_female[index] else "male"
        given = given_names(sex, _WORKING_COHORT_YEAR)[first[index]]
        surname = FAMILY_NAMES[family[index]]
        number = first_number + index
        staff.append(
            Clinician(
                id=UUID(bytes=id_bytes[16 * index : 16 * (index + 1)], version=4),
                username=f"{_plain(given)}.{_plain(surname.split()[-1])}.{number:04}",
                name=f"{given} {surname}",
                role=role,
                registration=_registration(role, registered[index]),
            )
        )
    return staff


def _registration(role: Role, number: int) -> str:
    if role == "physician":
        return f"CRM-SP {number}"
    if role == "nurse":
        return f"COREN-SP {number}-ENF"
    if role == "pharmacist":
        return f"CRF-SP {number % 100_000:05}"
    return ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
