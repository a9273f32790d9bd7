"""Tokens that were logged out before they ran out."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE revoked_token (
        id uuid PRIMARY KEY,
        clinician_id uuid NOT NULL REFERENCES clinician,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX revoked_token_by_expiry ON revoked_token (expires_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE revoked_token")
