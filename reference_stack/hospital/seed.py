"""``python -m reference_stack.hospital.seed``: load the synthetic hospital into a database.

Loading the same hospital again changes nothing; loading more of it adds what is missing. A
database that already holds another hospital is refused.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from reference_stack.api.passwords import HASHER, password_matches
from reference_stack.hospital.clinicians import Clinician, clinician_password, generate_clinicians
from reference_stack.hospital.fhir import patient_resource
from reference_stack.hospital.patients import Patient, generate_patients

Row = tuple[Any, ...]

PATIENT_COLUMNS = ("id", "medical_record_number", "name", "birth_date", "sex", "resource")
CLINICIAN_COLUMNS = ("id", "username", "password_hash", "name", "role")


class SeedConflictError(Exception):
    """The database holds another hospital, or passwords of another secret."""


@dataclass(frozen=True)
class SeedSummary:
    """How many rows were added; the others were there already."""

    new_patients: int
    new_clinicians: int


def seed_hospital(
    database_url: str, *, secret: str, patients: int, clinicians: int, seed: int
) -> SeedSummary:
    """Add the first `patients` and `clinicians` of the hospital `seed` in one transaction.

    Raises `SeedConflictError`, and `psycopg.Error` when the database is away or has no schema.
    """
    people = generate_patients(seed, patients)
    with psycopg.connect(database_url) as connection:
        _demand_same_hospital(connection, "patient", [patient.id for patient in people])
        new_patients = _add(connection, "patient", PATIENT_COLUMNS, map(_patient_row, people))
        new_clinicians = _add_clinicians(connection, secret, generate_clinicians(seed, clinicians))
    return SeedSummary(new_patients, new_clinicians)


def _add_clinicians(
    connection: psycopg.Connection, secret: str, clinicians: Sequence[Clinician]
) -> int:
    _demand_same_hospital(connection, "clinician", [clinician.id for clinician in clinicians])
    known: dict[UUID, str] = dict(
        connection.execute("SELECT id, password_hash FROM clinician").fetchall()
    )
    _demand_secret(known, secret, clinicians)
    missing = [clinician for clinician in clinicians if clinician.id not in known]
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(
            lambda clinician: HASHER.hash(clinician_password(secret, clinician.username)),
            missing,
        )
        rows = (
            (clinician.id, clinician.username, password_hash, clinician.name, clinician.role)
            for clinician, password_hash in zip(missing, hashes, strict=True)
        )
        return _add(connection, "clinician", CLINICIAN_COLUMNS, rows)


def _patient_row(patient: Patient) -> Row:
    return (
        patient.id,
        patient.medical_record_number,
        patient.name,
        patient.birth_date,
        patient.sex,
        Jsonb(patient_resource(patient)),
    )


def _add(
    connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]
) -> int:
    """COPY rows beside the table, then take over those that are new; returns their number."""
    names = {"table": Identifier(table), "columns": SQL(", ").join(map(Identifier, columns))}
    connection.execute(
        SQL("CREATE TEMPORARY TABLE incoming AS SELECT {columns} FROM {table} LIMIT 0").format(
            **names
        )
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(SQL("COPY incoming ({columns}) FROM STDIN").format(**names)) as copy,
    ):
        for row in rows:
            copy.write_row(row)
    added = connection.execute(
        SQL(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming ON CONFLICT DO NOTHING"
        ).format(**names)
    ).rowcount
    connection.execute("DROP TABLE incoming")
    return added


def _demand_same_hospital(connection: psycopg.Connection, table: str, ids: Sequence[UUID]) -> None:
    """A hospital of any size begins with the same row: without it, other rows are another's."""
    if not ids:
        return
    statement = SQL("SELECT EXISTS (TABLE {0}), EXISTS (SELECT FROM {0} WHERE id = %s)")
    found = connection.execute(statement.format(Identifier(table)), (ids[0],)).fetchone()
    if found == (True, False):
        raise SeedConflictError(
            f"--seed: the table {table} holds another hospital: use its seed, or an empty database"
        )


def _demand_secret(known: dict[UUID, str], secret: str, clinicians: Sequence[Clinician]) -> None:
    """Try one known clinician's password: passwords of another secret would lock the load out."""
    for clinician in clinicians:
        if clinician.id in known:
            if password_matches(
                known[clinician.id], clinician_password(secret, clinician.username)
            ):
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
    arguments = parser.parse_args()
    try:
        summary = seed_hospital(
            arguments.database_url,
            secret=read_secret(arguments.secret_file),
            patients=arguments.patients,
            clinicians=arguments.clinicians,
            seed=arguments.seed,
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
