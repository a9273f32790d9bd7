"""Clinicians, patients and notes, with the indexes of look-up and search."""

from alembic import op

revision = "0001"
down_revision = None

ACCENTED = "ÁÀÂÃÄÅÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÇÑáàâãäåéèêëíìîïóòôõöúùûüçñ"
PLAIN = "AAAAAAEEEEIIIIOOOOOUUUUCNaaaaaaeeeeiiiiooooouuuucn"

STATEMENTS = (
    """
    CREATE TABLE clinician (
        id uuid PRIMARY KEY,
        username text NOT NULL UNIQUE,
        password_hash text NOT NULL,
        name text NOT NULL,
        role text NOT NULL CHECK (role IN ('physician', 'nurse', 'technician'))
    )
    """,
    # Accents go before lower(): in a database of locale C, lower() leaves Á as it is.
    f"""
    CREATE FUNCTION fold_name(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(translate(name, '{ACCENTED}', '{PLAIN}')) $$
    """,
    """
    CREATE TABLE patient (
        id uuid PRIMARY KEY,
        medical_record_number text NOT NULL UNIQUE,
        name text NOT NULL,
        birth_date date NOT NULL,
        sex text NOT NULL CHECK (sex IN ('female', 'male', 'other', 'unknown')),
        resource jsonb NOT NULL,
        search tsvector NOT NULL
            GENERATED ALWAYS AS (to_tsvector('simple', fold_name(name))) STORED
    )
    """,
    "CREATE INDEX patient_search ON patient USING gin (search)",
    "CREATE INDEX patient_by_name ON patient (name, id)",
    # The unique index serves LIKE 'prefix%' only in locale C.
    """
    CREATE INDEX patient_by_record_number ON patient (medical_record_number text_pattern_ops)
    """,
    """
    CREATE TABLE note (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        client_id uuid NOT NULL UNIQUE,
        patient_id uuid NOT NULL CONSTRAINT note_patient_id_fkey REFERENCES patient,
        author_id uuid NOT NULL CONSTRAINT note_author_id_fkey REFERENCES clinician,
        text text NOT NULL,
        sequence bigint,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX note_by_patient ON note (patient_id, recorded_at DESC, id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE note, patient, clinician")
    op.execute("DROP FUNCTION fold_name(text)")
