"""Loading into a real PostgreSQL: whole blocks or nothing, taken up again, never twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from reference_stack.api.migrate import migrate
from reference_stack.hospital.admissions import REFERENCE_TIME
from reference_stack.hospital.clinicians import SUPPORT_ROLES
from reference_stack.hospital.notes import TEAM
from reference_stack.hospital.patients import BLOCK
from reference_stack.hospital.seed import SeedConflictError, SeedSummary, seed_hospital
from tests.api.postgres_server import PostgresServer, initialise, running

pytestmark = pytest.mark.servers

SECRET = "secret of the tests"
SEED = 6
FEW, MANY = 200, 2 * BLOCK + 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("pg") / "h"
    initialise(folder)
    with running(folder) as made:
        yield made


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    server.execute("CREATE DATABASE hospital")
    migrate(server.url("hospital"))
    yield server.url("hospital")
    server.execute("DROP DATABASE hospital WITH (FORCE)")


def load(url: str, patients: int, **options: object) -> SeedSummary:
    return seed_hospital(
        url, secret=SECRET, patients=patients, clinicians=TEAM, seed=SEED, records=True, **options
    )  # type: ignore[arg-type]


def count(url: str, what: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


def test_records_refer_to_patients_and_staff_that_are_there(url: str) -> None:
    summary = load(url, FEW, support_staff=True)
    assert summary.new_patients == count(url, "patient") == FEW
    assert summary.new_notes == count(url, "note") > 0
    assert summary.new_observations == count(url, "observation") > 0
    assert count(url, "clinician") == TEAM + len(SUPPORT_ROLES)
    assert count(url, "observation WHERE value IS NOT NULL AND value_code IS NOT NULL") == 0
    inpatients = """patient WHERE resource @? '$.extension[*] ? (@.url == "urn:prontuario:bed")'"""
    with_signs = "(SELECT DISTINCT patient_id FROM observation) AS those"
    assert count(url, inpatients) == count(url, with_signs) > 0


def test_loading_again_later_and_more_adds_only_what_is_missing(url: str) -> None:
    first = load(url, FEW)
    again = load(url, FEW, as_of=REFERENCE_TIME + timedelta(days=400, hours=5))
    assert (again.new_patients, again.new_notes, again.new_observations) == (0, 0, 0)
    more = load(url, FEW + 50)
    assert more.new_patients == 50
    assert count(url, "note") == first.new_notes + more.new_notes
    assert count(url, "observation") == first.new_observations + more.new_observations


def test_an_interrupted_load_is_taken_up_and_ends_as_if_it_had_not_been(
    url: str, server: PostgresServer
) -> None:
    class InterruptedLoadError(Exception):
        pass

    def interrupt(done: int, total: int) -> None:
        assert total == MANY
        if done == 2 * BLOCK:
            raise InterruptedLoadError

    with pytest.raises(InterruptedLoadError):
        load(url, MANY, progress=interrupt)
    assert count(url, "patient") == 2 * BLOCK
    assert load(url, MANY).new_patients == MANY - 2 * BLOCK
    taken_up = digest(url)
    server.execute("DROP DATABASE hospital WITH (FORCE)")
    server.execute("CREATE DATABASE hospital")
    migrate(url)
    load(url, MANY)
    assert digest(url) == taken_up


def digest(url: str) -> list[object]:
    """A hash of each table's rows in any order; argon2's salts are random, so no staff."""
    columns = {
        "patient": "id, medical_record_number, name, birth_date, sex, resource",
        "note": "client_id, patient_id, author_id, text, recorded_at",
        "observation": "id, patient_id, code, value, unit, value_code, effective_at",
    }
    with psycopg.connect(url) as connection:
        return [
            connection.execute(
                "SELECT count(*), sum(hashtextextended("  # noqa: S608 - names above
                f"ROW({names})::text, 0)) FROM {table}"
            ).fetchone()
            for table, names in columns.items()
        ]


def test_too_few_clinicians_to_sign_are_refused_before_anything_is_written(url: str) -> None:
    with pytest.raises(SeedConflictError, match="--clinicians"):
        seed_hospital(url, secret=SECRET, patients=5, clinicians=3, seed=SEED, records=True)
    assert count(url, "patient") == count(url, "clinician") == 0


def test_another_hospital_is_refused(url: str) -> None:
    load(url, 20)
    with pytest.raises(SeedConflictError, match="--seed"):
        seed_hospital(url, secret=SECRET, patients=20, clinicians=0, seed=SEED + 1)
    with pytest.raises(SeedConflictError, match="--secret-file"):
        seed_hospital(url, secret="another", patients=20, clinicians=2, seed=SEED)
    assert count(url, "patient") == 20


def test_a_database_without_schema_is_an_error_of_the_database(
    server: PostgresServer, tmp_path: Path
) -> None:
    with pytest.raises(psycopg.Error):
        seed_hospital(server.url(), secret=SECRET, patients=1, clinicians=1, seed=SEED)
