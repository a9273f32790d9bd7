"""The audit trail: events and the seals over them, to which rows are only ever added.

Rows of it have no foreign keys: an event must be storable whoever it speaks of, and rows that an
old server alone held are brought over in any order.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    CREATE TABLE audit_event (
        id uuid PRIMARY KEY,
        recorded_at timestamptz NOT NULL,
        site text NOT NULL,
        actor_id uuid,
        actor_role text,
        patients uuid[] NOT NULL,
        purpose text NOT NULL,
        route text NOT NULL,
        outcome text NOT NULL,
        status integer NOT NULL,
        request_id text NOT NULL,
        digest bytea NOT NULL,
        signature bytea NOT NULL
    )
    """,
    "CREATE INDEX audit_event_by_time ON audit_event (recorded_at, id)",
    "CREATE INDEX audit_event_by_patient ON audit_event USING gin (patients)",
    "CREATE INDEX audit_event_by_actor ON audit_event (actor_id, recorded_at)",
    """
    CREATE TABLE audit_seal (
        chain uuid NOT NULL,
        number bigint NOT NULL,
        previous bytea NOT NULL,
        members uuid[] NOT NULL,
        sealed_at timestamptz NOT NULL,
        hash bytea NOT NULL,
        signature bytea NOT NULL,
        PRIMARY KEY (chain, number)
    )
    """,
    "CREATE INDEX audit_seal_by_time ON audit_seal (sealed_at)",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% on %: the audit trail is only ever added to', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    *(
        statement
        for table in ("audit_event", "audit_seal")
        for statement in (
            f"""
            CREATE TRIGGER {table}_rows_stay BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
            """,
            f"""
            CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
            """,
            # Also for a session that calls itself a replica, which ordinary triggers skip.
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_rows_stay",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays",
            f"REVOKE ALL ON {table} FROM PUBLIC, CURRENT_USER",
            f"GRANT SELECT, INSERT ON {table} TO CURRENT_USER",
        )
    ),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE audit_seal, audit_event")
    op.execute("DROP FUNCTION refuse_change()")
