"""Taking the audit trail out of the API account's hands, once its tables are there.

Migrations run as the API's own account, and who makes a table owns it: an owner may switch triggers
off, drop the table, or give itself back what was taken. So does the owner of the database, to whom
its schema belongs. A superuser therefore gives both away: the trail to a role that nobody can log
in as, the database to the superuser. The API's account keeps what it needs: to read the trail and
add to it, and to create tables of its own by later migrations.
"""

from typing import Any, Final

import psycopg
from psycopg import sql

OWNER: Final = "prontuario_audit"
TABLES: Final = ("audit_event", "audit_seal")
ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"


def entrust(connection: psycopg.Connection[Any], account: str) -> None:
    """Make ``account`` (the API's) a mere user of the trail; safe to run again.

    Args:
        connection: A superuser's, to the hospital's database after `migrate`.
        account: The role the API logs in as.

    Raises:
        psycopg.Error: when the server fails; nothing was changed then.
    """
    user, owner = sql.Identifier(account), sql.Identifier(OWNER)
    with connection.transaction():
        if connection.execute(ROLE_EXISTS, (OWNER,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(owner))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(user))
        connection.execute(sql.SQL("ALTER FUNCTION refuse_change() OWNER TO {}").format(owner))
        for name in TABLES:
            table = sql.Identifier(name)
            for statement in (
                sql.SQL("ALTER TABLE {} OWNER TO {}").format(table, owner),
                sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}, {}").format(table, user, owner),
                sql.SQL("GRANT SELECT, INSERT ON {} TO {}").format(table, user),
            ):
                connection.execute(statement)
