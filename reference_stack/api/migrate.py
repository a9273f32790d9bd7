"""``python -m reference_stack.api.migrate --database-url URL``: bring the schema up to date.

Safe to run again, and to run twice at once: the second run waits for the first one's lock and then
finds nothing to do.
"""

import argparse
import sys
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do that no other user of advisory locks in this database takes.
LOCK_KEY = 7_216_004_311


def migrate(database_url: str) -> None:
    """Apply all outstanding migrations in one transaction.

    Raises `sqlalchemy.exc.OperationalError` when the database can't be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool
    )
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def main() -> int:
    """Migrate; returns 1 when the database can't be reached."""
    parser = argparse.ArgumentParser(prog="reference_stack.api.migrate", description=__doc__)
    parser.add_argument("--database-url", required=True, help="postgresql://… of the primary")
    arguments = parser.parse_args()
    try:
        migrate(arguments.database_url)
    except OperationalError as error:
        reason = str(error.orig).strip().replace("\n", "; ")
        sys.stderr.write(f"--database-url: cannot migrate: {reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
