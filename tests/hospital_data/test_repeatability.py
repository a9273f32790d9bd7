"""A seed means the same hospital in every process, zone and release: its bytes are pinned here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

#: Digests of identities, notes and vital signs of the first 1,200 patients of hospital 4.
DIGEST = """
import hashlib
from reference_stack.hospital.population import hospital_blocks

people, signs = hashlib.sha256(), hashlib.sha256()
for block in hospital_blocks(4, 1200):
    for one in block.patients:
        people.update(repr((one.id, one.medical_record_number, one.name, one.birth_date, one.cpf,
            one.cns, one.allergies, one.conditions, one.medications)).encode())
    for note in block.notes:
        people.update(repr((note.client_id, note.text, note.recorded_at)).encode())
    for recording in block.recordings:
        signs.update(recording.values.tobytes())
print(people.hexdigest()[:16], signs.hexdigest()[:16])
"""
PINNED = "012e217bdd788b03 bdb89ee28c4bcc5a"


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    ],
    ids=["utc", "tokyo"],
)
def test_a_seed_gives_the_same_bytes_whatever_process_asks(surroundings: dict[str, str]) -> None:
    """A change of these digests changes every hospital that users have loaded: say so to them."""
    answer = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, cwd=PROJECT,
        env={**os.environ, **surroundings},
    )  # fmt: skip
    assert answer.stdout.strip() == PINNED
