"""A database with data in it is brought up to date, and everything in it is still there."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from reference_stack.api.migrate import MIGRATIONS, migrate
from tests.api.postgres_server import PostgresServer

pytestmark = pytest.mark.servers

BEFORE = "0003"


def migrate_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        down = revision == BEFORE and connection.dialect.has_table(connection, "audit_event")
        (command.downgrade if down else command.upgrade)(config, revision)


def test_what_was_written_before_roles_search_and_audit_is_found_after(
    shared_server: PostgresServer,
) -> None:
    shared_server.execute("CREATE DATABASE older")
    url = shared_server.url("older")
    try:
        migrate_to(url, BEFORE)
        who, patient, note = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO clinician VALUES (%s, 'tecnica', 'hash', 'Ana', 'technician')", (who,)
            )
            connection.execute(
                "INSERT INTO patient VALUES (%s, '1', 'Ágata', '1990-01-01', 'female', %s)",
                (patient, Jsonb({"resourceType": "Patient"})),
            )
            connection.execute(
                "INSERT INTO note (client_id, patient_id, author_id, text) VALUES (%s, %s, %s, %s)",
                (note, patient, who, "Sem queixas de DOR Á PALPAÇÃO."),
            )
            migrate(url)
            assert connection.execute("SELECT role FROM clinician").fetchall() == [("nurse",)]
            found = connection.execute(
                "SELECT client_id FROM note WHERE search @@ "
                "websearch_to_tsquery('pg_catalog.portuguese', fold_name('palpacao'))"
            ).fetchall()
            assert found == [(note,)]
            migrate_to(url, BEFORE)
            assert connection.execute("SELECT text FROM note").fetchall() == [
                ("Sem queixas de DOR Á PALPAÇÃO.",)
            ]
    finally:
        shared_server.execute("DROP DATABASE older")
