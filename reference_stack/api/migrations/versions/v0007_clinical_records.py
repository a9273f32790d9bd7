"""Observations, alerts, diagnostic reports, saved conversations, and the search over notes."""

from alembic import op

revision = "0007"
down_revision = "0006"

CAPITALS = "ÁÀÂÃÄÅÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÇÑ"

STATEMENTS = (
    # Numbers have a UCUM unit; the level of consciousness is a word (A, C, V, P or U).
    """
    CREATE TABLE observation (
        id uuid PRIMARY KEY,
        patient_id uuid NOT NULL CONSTRAINT observation_patient_id_fkey REFERENCES patient,
        performer_id uuid CONSTRAINT observation_performer_id_fkey REFERENCES clinician,
        code text NOT NULL,
        value double precision,
        unit text,
        value_code text,
        effective_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CHECK ((value IS NULL) <> (value_code IS NULL)),
        CHECK ((value IS NULL) = (unit IS NULL))
    )
    """,
    """
    CREATE INDEX observation_by_patient ON observation (patient_id, effective_at DESC, id DESC)
    """,
    """
    CREATE TABLE alert (
        id uuid PRIMARY KEY,
        patient_id uuid NOT NULL CONSTRAINT alert_patient_id_fkey REFERENCES patient,
        author_id uuid NOT NULL CONSTRAINT alert_author_id_fkey REFERENCES clinician,
        priority text NOT NULL CHECK (priority IN ('critical', 'high', 'routine')),
        message text NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        version integer NOT NULL DEFAULT 1,
        acknowledged_by uuid CONSTRAINT alert_acknowledged_by_fkey REFERENCES clinician,
        acknowledged_at timestamptz
    )
    """,
    "CREATE INDEX alert_active ON alert (raised_at DESC, id DESC) WHERE acknowledged_at IS NULL",
    "CREATE INDEX alert_by_patient ON alert (patient_id, raised_at DESC, id DESC)",
    """
    CREATE TABLE diagnostic_report (
        id uuid PRIMARY KEY,
        patient_id uuid NOT NULL CONSTRAINT diagnostic_report_patient_id_fkey REFERENCES patient,
        author_id uuid NOT NULL CONSTRAINT diagnostic_report_author_id_fkey REFERENCES clinician,
        kind text NOT NULL CHECK (kind IN ('image-analysis', 'patient-report')),
        document_id uuid NOT NULL,
        version_id uuid NOT NULL,
        result jsonb NOT NULL,
        conclusion text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE INDEX diagnostic_report_by_patient
    ON diagnostic_report (patient_id, recorded_at DESC, id DESC)
    """,
    # A question and its whole answer are one row: half of an exchange can't be stored.
    """
    CREATE TABLE chat_exchange (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        clinician_id uuid NOT NULL CONSTRAINT chat_exchange_clinician_id_fkey
            REFERENCES clinician,
        patient_id uuid CONSTRAINT chat_exchange_patient_id_fkey REFERENCES patient,
        question text NOT NULL,
        answer text NOT NULL,
        answered_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE INDEX chat_exchange_by_conversation
    ON chat_exchange (clinician_id, conversation_id, answered_at, id)
    """,
    """
    CREATE INDEX chat_exchange_by_patient ON chat_exchange (patient_id, answered_at DESC, id DESC)
    WHERE patient_id IS NOT NULL
    """,
    # In a database of locale C, lower() leaves Á as it is, and so does the dictionary.
    f"""
    CREATE FUNCTION lower_text(text text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(translate(text, '{CAPITALS}', '{CAPITALS.lower()}')) $$
    """,
    # Stemmed as written (weight A) and without accents (weight B), so that hurried typing finds
    # the note too, and a query with the right accents ranks it first.
    """
    ALTER TABLE note ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.portuguese', lower_text(text)), 'A')
        || setweight(to_tsvector('pg_catalog.portuguese', fold_name(text)), 'B')
    ) STORED
    """,
    "CREATE INDEX note_search ON note USING gin (search)",
    """
    CREATE INDEX patient_by_identifier
    ON patient USING gin ((resource->'identifier') jsonb_path_ops)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX patient_by_identifier")
    op.execute("ALTER TABLE note DROP COLUMN search")
    op.execute("DROP FUNCTION lower_text(text)")
    op.execute("DROP TABLE chat_exchange, diagnostic_report, alert, observation")
