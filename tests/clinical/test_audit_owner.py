"""In the stack the API's account can add to the audit trail and read it, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from reference_stack.api.audit_owner import OWNER, entrust
from reference_stack.api.migrate import migrate
from tests.api.postgres_server import PostgresServer

pytestmark = pytest.mark.servers

DATABASE, ACCOUNT = "entrusted", "api_account"
ADD = """
INSERT INTO audit_event VALUES (gen_random_uuid(), now(), 'mac-1', NULL, NULL, '{}', 'look-up',
    'GET /', 'allowed', 200, 'x', '', '')
"""


@pytest.fixture(scope="module")
def url(shared_server: PostgresServer) -> Iterator[str]:
    shared_server.execute(f"CREATE ROLE {ACCOUNT} LOGIN")
    shared_server.execute(f"CREATE DATABASE {DATABASE} OWNER {ACCOUNT}")
    own = shared_server.url(DATABASE).replace("postgres@", f"{ACCOUNT}@")
    migrate(own)
    for _ in range(2):
        with psycopg.connect(shared_server.url(DATABASE), autocommit=True) as superuser:
            entrust(superuser, ACCOUNT)
    yield own
    shared_server.execute(f"DROP DATABASE {DATABASE}")
    for role in (ACCOUNT, OWNER):
        shared_server.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "statement",
    [
        *(
            form.format(table)
            for table in ("audit_event", "audit_seal")
            for form in (
                "DELETE FROM {}",
                "TRUNCATE {}",
                "DROP TABLE {}",
                "ALTER TABLE {} DISABLE TRIGGER ALL",
                "ALTER TABLE {} RENAME TO gone",
                "CREATE RULE away AS ON INSERT TO {} DO INSTEAD NOTHING",
                "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION refuse_change()",
            )
        ),
        "UPDATE audit_event SET site = 'x'",
        "UPDATE audit_seal SET number = 7",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION refuse_change() CASCADE",
        "DROP SCHEMA public CASCADE",
        "ALTER SCHEMA public RENAME TO old",
        f"SET ROLE {OWNER}",
        f"GRANT {OWNER} TO {ACCOUNT}",
        "SET session_replication_role = replica",
    ],
)
def test_the_account_cannot_touch_what_is_in_the_trail(statement: str, url: str) -> None:
    with (
        psycopg.connect(url, autocommit=True) as connection,
        pytest.raises((InsufficientPrivilege, psycopg.errors.InvalidFunctionDefinition)),
    ):
        connection.execute(statement.encode())


def test_dropping_all_that_the_account_owns_leaves_the_trail(
    url: str, shared_server: PostgresServer
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ADD)
    with psycopg.connect(url) as connection:
        (before,) = connection.execute("SELECT count(*) FROM audit_event").fetchone() or (0,)
        assert before >= 1
        connection.execute("DROP OWNED BY CURRENT_USER")
        with psycopg.connect(shared_server.url(DATABASE)) as superuser:
            superuser.execute("SET lock_timeout = '1s'")
            left = superuser.execute("SELECT count(*) FROM audit_event").fetchone()
        connection.rollback()
    assert left == (before,)


def test_the_account_adds_reads_and_migrates(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ADD)
        found = connection.execute("SELECT count(*) FROM audit_event").fetchone()
        assert found is not None
        assert found[0] >= 1
        connection.execute(f"CREATE TABLE later_{uuid.uuid4().hex} ()".encode())
    migrate(url)
