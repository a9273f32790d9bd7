"""Synthetic clinicians and their passwords, known to whoever knows the stack's secret."""

import base64
import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import numpy as np

from reference_stack.hospital.names import FAMILY_NAMES, FEMALE_NAMES, MALE_NAMES

Role = Literal["physician", "nurse", "technician"]

ROLES: tuple[Role, ...] = ("physician", "nurse", "technician")
# Shares on a ward; a choice of this testbed, not a statistic.
ROLE_SHARES = (0.30, 0.45, 0.25)

# Keeps the streams of clinicians apart from those of patients under the same seed.
STREAM = 2


@dataclass(frozen=True)
class Clinician:
    """One synthetic member of staff. The password is not part of it: see `clinician_password`."""

    id: UUID
    username: str
    name: str
    role: Role


def clinician_password(secret: str, username: str) -> str:
    """The clinician's password: 80 bits of HMAC-SHA-256 under the stack's secret, in base32."""
    digest = hmac.digest(secret.encode(), f"clinician-password:{username}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:10]).decode().lower()


def generate_clinicians(seed: int, count: int) -> list[Clinician]:
    """The first `count` clinicians of the hospital `seed`; more of them begin with these.

    Usernames are ASCII and unique: ``first.last.0001``.
    """
    streams = np.random.SeedSequence([seed, STREAM]).spawn(4)
    ids, firsts, families, roles = map(np.random.default_rng, streams)
    given_names = FEMALE_NAMES + MALE_NAMES
    id_bytes = ids.bytes(16 * count)
    first = firsts.integers(len(given_names), size=count).tolist()
    family = families.integers(len(FAMILY_NAMES), size=count).tolist()
    role = np.searchsorted(np.cumsum(ROLE_SHARES)[:-1], roles.random(count), side="right").tolist()
    clinicians = []
    for index in range(count):
        given, surname = given_names[first[index]], FAMILY_NAMES[family[index]]
        clinicians.append(
            Clinician(
                id=UUID(bytes=id_bytes[16 * index : 16 * (index + 1)], version=4),
                username=f"{_plain(given)}.{_plain(surname.split()[-1])}.{index + 1:04}",
                name=f"{given} {surname}",
                role=ROLES[role[index]],
            )
        )
    return clinicians


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
