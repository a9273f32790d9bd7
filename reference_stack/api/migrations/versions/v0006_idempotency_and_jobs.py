"""Answers by Idempotency-Key, and the queue of work that is done after the answer."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    """
    CREATE TABLE idempotency_record (
        clinician_id uuid NOT NULL,
        key uuid NOT NULL,
        fingerprint text NOT NULL,
        status integer NOT NULL,
        headers jsonb NOT NULL,
        body bytea NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (clinician_id, key)
    )
    """,
    "CREATE INDEX idempotency_record_by_time ON idempotency_record (recorded_at)",
    """
    CREATE TABLE job (
        id uuid PRIMARY KEY,
        kind text NOT NULL,
        patient_id uuid NOT NULL CONSTRAINT job_patient_id_fkey REFERENCES patient,
        requested_by uuid NOT NULL CONSTRAINT job_requested_by_fkey REFERENCES clinician,
        state text NOT NULL DEFAULT 'queued'
            CHECK (state IN ('queued', 'running', 'done', 'failed')),
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        failure text,
        document_id uuid,
        requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished_at timestamptz
    )
    """,
    "CREATE INDEX job_to_do ON job (due_at) WHERE state IN ('queued', 'running')",
    "CREATE INDEX job_by_patient ON job (patient_id, requested_at DESC, id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE job, idempotency_record")
