"""Documents of patients: what they are; their bytes are with the document service."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """
    CREATE TABLE document (
        id uuid PRIMARY KEY,
        patient_id uuid NOT NULL CONSTRAINT document_patient_id_fkey REFERENCES patient,
        UNIQUE (id, patient_id)
    )
    """,
    "CREATE INDEX document_by_patient ON document (patient_id)",
    # A row is written only after its bytes are durable, so no row names bytes that are not.
    """
    CREATE TABLE document_version (
        id uuid PRIMARY KEY,
        document_id uuid NOT NULL,
        patient_id uuid NOT NULL,
        author_id uuid NOT NULL CONSTRAINT document_version_author_id_fkey REFERENCES clinician,
        title text NOT NULL,
        content_type text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes > 0),
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        history uuid[] NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        FOREIGN KEY (document_id, patient_id) REFERENCES document (id, patient_id)
    )
    """,
    "CREATE INDEX document_version_by_document ON document_version (document_id)",
    """
    CREATE INDEX document_version_by_patient
    ON document_version (patient_id, recorded_at DESC, id)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE document_version, document")
