"""Accounts can be closed, and every change of what an account may do is counted.

The count is in each token: one with a smaller count was issued before the change. A trigger counts,
so that a change by hand counts too.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    ALTER TABLE clinician ADD COLUMN active boolean NOT NULL DEFAULT true,
        ADD COLUMN version integer NOT NULL DEFAULT 0
    """,
    # What every API process reads each second.
    "CREATE INDEX clinician_changed ON clinician (id, version) WHERE version > 0",
    """
    CREATE FUNCTION count_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.version := OLD.version + 1;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER clinician_version BEFORE UPDATE ON clinician FOR EACH ROW
    WHEN ((OLD.role, OLD.active, OLD.password_hash)
        IS DISTINCT FROM (NEW.role, NEW.active, NEW.password_hash))
    EXECUTE FUNCTION count_account_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER clinician_version ON clinician")
    op.execute("DROP FUNCTION count_account_change()")
    op.execute("DROP INDEX clinician_changed")
    op.execute("ALTER TABLE clinician DROP COLUMN active, DROP COLUMN version")
