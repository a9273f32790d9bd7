"""What monitoring needs in the database: a role that may look, a row to write, an account.

The probe writes one row of a table of its own, so that the notes and their ledger hold nothing of
it. Its account in the API is a clinician that no load uses.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

from reference_stack.api.passwords import HASHER
from reference_stack.hospital.clinicians import clinician_password

ROLE: Final = "monitoring"
PROBE_USERNAME: Final = "monitoring.probe"
PROBE_ID: Final = UUID("00000000-0000-4000-8000-00000000b018")

WRITE_HEARTBEAT: Final = "UPDATE monitoring.heartbeat SET at = clock_timestamp()"
# Without a primary key: what is carried home after an emergency is found by its keys, and this
# row is nobody's record.
_CREATE_HEARTBEAT: Final = """
CREATE TABLE monitoring.heartbeat (at timestamptz NOT NULL);
INSERT INTO monitoring.heartbeat VALUES (clock_timestamp());
"""


def probe_password(secret: str) -> str:
    """The password of the probe's account, known to whoever knows the monitoring secret."""
    return clinician_password(secret, PROBE_USERNAME)


def prepare_database(superuser_url: str, secret: str) -> None:
    """Create role, schema, heartbeat table and the probe's account in a migrated database.

    Raises:
        psycopg.Error: when the database refuses, or the role is there already.
    """
    role = sql.Identifier(ROLE)
    with psycopg.connect(superuser_url) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE pg_monitor").format(
                role, sql.Literal(secret)
            )
        )
        connection.execute(sql.SQL("CREATE SCHEMA monitoring AUTHORIZATION {}").format(role))
        connection.execute(sql.SQL("SET ROLE {}").format(role))
        connection.execute(_CREATE_HEARTBEAT)
        connection.execute("RESET ROLE")
        connection.execute(
            "INSERT INTO clinician (id, username, password_hash, name, role) "
            "VALUES (%s, %s, %s, 'Sonda de monitoramento', 'receptionist')",
            (PROBE_ID, PROBE_USERNAME, HASHER.hash(probe_password(secret))),
        )
