"""``python -m reference_stack.hospital.seed``: load the synthetic hospital into a database.

Loading the same hospital again changes nothing; loading more of it adds what is missing. A load
that was interrupted is taken up again: each block of patients comes with all its rows in one
transaction, or not at all. A database that already holds another hospital is refused.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from reference_stack.api.passwords import HASHER, password_matches
from reference_stack.errors import StackError
from reference_stack.hospital.admissions import REFERENCE_TIME
from reference_stack.hospital.clinicians import (
    Clinician,
    clinician_password,
    generate_clinicians,
    generate_support_staff,
)
from reference_stack.hospital.notes import TEAM
from reference_stack.hospital.patients import generate_patients
from reference_stack.hospital.population import Block, hospital_blocks
from reference_stack.hospital.rows import (
    NOTE,
    OBSERVATION,
    PATIENT,
    Table,
    copy_rows,
    known,
    merge_rows,
    patients_with_rows,
)

CLINICIAN_COLUMNS = ("id", "username", "password_hash", "name", "role")

#: Told how many patients have been looked at, of how many.
Progress = Callable[[int, int], None]


class SeedConflictError(StackError):
    """The database holds another hospital, or passwords of another secret."""


@dataclass(frozen=True)
class SeedSummary:
    """How many rows were added; the others were there already."""

    new_patients: int
    new_clinicians: int
    new_notes: int = 0
    new_observations: int = 0


def seed_hospital(
    database_url: str,
    *,
    secret: str,
    patients: int,
    clinicians: int,
    seed: int,
    support_staff: bool = False,
    records: bool = False,
    as_of: datetime = REFERENCE_TIME,
    progress: Progress | None = None,
) -> SeedSummary:
    """Add the first `patients` and `clinicians` of the hospital `seed`.

    Args:
        database_url: Of the primary, with the API's schema.
        secret: What clinicians' passwords are derived from.
        patients: How many; their ids depend on `seed` alone.
        clinicians: Physicians and nurses.
        seed: Names the hospital.
        support_staff: Also pharmacists, receptionists, the administrator and the auditor.
        records: Also clinical notes and vital signs.
        as_of: The moment (aware) stays and readings lead up to.
        progress: Told of each block.

    Raises:
        SeedConflictError: for another hospital, another secret, or too few clinicians to sign.
        psycopg.Error: when the database is away or has no schema.
    """
    if records and clinicians < TEAM:
        raise SeedConflictError(
            f"--clinicians: {clinicians} given, at least {TEAM} sign the records"
        )
    staff = generate_clinicians(seed, clinicians)
    if support_staff:
        staff += generate_support_staff(seed)
    with psycopg.connect(database_url) as connection:
        if patients:
            _demand_same_hospital(connection, "patient", generate_patients(seed, 1)[0].id)
        new_clinicians = _add_clinicians(connection, secret, staff)
        connection.commit()
        tables = (NOTE, OBSERVATION) if records else ()
        added = dict.fromkeys((PATIENT.name, NOTE.name, OBSERVATION.name), 0)
        done = 0
        for block in hospital_blocks(seed, patients, as_of=as_of):
            for name, count in _add_block(connection, seed, block, (PATIENT, *tables)).items():
                added[name] += count
            connection.commit()
            done += len(block.patients)
            if progress is not None:
                progress(done, patients)
    return SeedSummary(
        added[PATIENT.name], new_clinicians, added[NOTE.name], added[OBSERVATION.name]
    )


def _add_block(
    connection: psycopg.Connection, seed: int, block: Block, tables: Sequence[Table]
) -> dict[str, int]:
    ids = [patient.id for patient in block.patients]
    if not known(connection, PATIENT.name, ids):
        return {
            table.name: copy_rows(connection, table.name, table.columns, table.rows(seed, block))
            for table in tables
        }
    added = {}
    for table in tables:
        rows = table.rows(seed, block)
        if table is not PATIENT:
            # A patient's records are loaded once, whatever the moment they lead up to.
            told_of = patients_with_rows(connection, table.name, ids)
            rows = (row for row in rows if row[1] not in told_of)
        added[table.name] = merge_rows(connection, table.name, table.columns, rows)
    return added


def _add_clinicians(
    connection: psycopg.Connection, secret: str, clinicians: Sequence[Clinician]
) -> int:
    if clinicians:
        _demand_same_hospital(connection, "clinician", clinicians[0].id)
    stored: dict[UUID, str] = dict(
        connection.execute("SELECT id, password_hash FROM clinician").fetchall()
    )
    _demand_secret(stored, secret, clinicians)
    missing = [clinician for clinician in clinicians if clinician.id not in stored]
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(
            lambda clinician: HASHER.hash(clinician_password(secret, clinician.username)),
            missing,
        )
        rows = (
            (clinician.id, clinician.username, password_hash, clinician.name, clinician.role)
            for clinician, password_hash in zip(missing, hashes, strict=True)
        )
        return merge_rows(connection, "clinician", CLINICIAN_COLUMNS, rows)


def _demand_same_hospital(connection: psycopg.Connection, table: str, first: UUID) -> None:
    """A hospital of any size begins with the same row: without it, other rows are another's."""
    statement = SQL("SELECT EXISTS (TABLE {0}), EXISTS (SELECT FROM {0} WHERE id = %s)")
    found = connection.execute(statement.format(Identifier(table)), (first,)).fetchone()
    if found == (True, False):
        raise SeedConflictError(
            f"--seed: the table {table} holds another hospital: use its seed, or an empty database"
        )


def _demand_secret(stored: dict[UUID, str], secret: str, clinicians: Sequence[Clinician]) -> None:
    """Try one known clinician's password: passwords of another secret would lock the load out."""
    for clinician in clinicians:
        if clinician.id in stored:
            password = clinician_password(secret, clinician.username)
            if password_matches(stored[clinician.id], password):
                return
            raise SeedConflictError(
                "--secret-file: the database's clinicians have passwords of another secret"
            )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: must be 0 or more")
    return value


def main() -> int:
    """Seed; returns 2 for a secret that can't be read or another hospital, 1 without database."""
    parser = argparse.ArgumentParser(prog="reference_stack.hospital.seed", description=__doc__)
    parser.add_argument("--database-url", required=True, help="postgresql://… of the primary")
    parser.add_argument("--secret-file", required=True, type=Path, help="the stack's secret, text")
    parser.add_argument("--patients", type=_count, default=500)
    parser.add_argument("--clinicians", type=_count, default=200)
    parser.add_argument("--seed", type=_count, default=1)
    parser.add_argument("--records", action="store_true", help="also notes and vital signs")
    arguments = parser.parse_args()
    try:
        summary = seed_hospital(
            arguments.database_url,
            secret=read_secret(arguments.secret_file),
            patients=arguments.patients,
            clinicians=arguments.clinicians,
            seed=arguments.seed,
            records=arguments.records,
        )
    except (SeedConflictError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except psycopg.Error as error:
        reason = str(error).strip().replace("\n", "; ")
        sys.stderr.write(f"--database-url: cannot seed: {reason}\n")
        return 1
    sys.stderr.write(
        f"seeded hospital {arguments.seed}: {summary.new_patients} new of {arguments.patients} "
        f"patients, {summary.new_clinicians} new of {arguments.clinicians} clinicians\n"
    )
    return 0


def read_secret(path: Path) -> str:
    """The secret in a file, without surrounding white space; raises `OSError`, `ValueError`."""
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise ValueError(f"{path}: is empty; it must hold the stack's secret")
    return secret


if __name__ == "__main__":
    sys.exit(main())
