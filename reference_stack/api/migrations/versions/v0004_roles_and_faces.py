"""The hospital's six roles, and the faces that clinicians were enrolled with."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    "ALTER TABLE clinician DROP CONSTRAINT clinician_role_check",
    # Technicians did what nurses may do; an account must not die of a new word.
    "UPDATE clinician SET role = 'nurse' WHERE role = 'technician'",
    """
    ALTER TABLE clinician ADD CONSTRAINT clinician_role_check CHECK (role IN
        ('physician', 'nurse', 'pharmacist', 'receptionist', 'administrator', 'auditor'))
    """,
    # One face a clinician: enrolling again replaces it.
    """
    CREATE TABLE clinician_face (
        clinician_id uuid PRIMARY KEY CONSTRAINT clinician_face_clinician_id_fkey
            REFERENCES clinician,
        embedding real[] NOT NULL CHECK (array_ndims(embedding) = 1),
        model text NOT NULL,
        enrolled_by uuid NOT NULL,
        enrolled_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE clinician_face")
    op.execute("ALTER TABLE clinician DROP CONSTRAINT clinician_role_check")
    op.execute("UPDATE clinician SET role = 'nurse' WHERE role NOT IN ('physician', 'nurse')")
    op.execute(
        "ALTER TABLE clinician ADD CONSTRAINT clinician_role_check "
        "CHECK (role IN ('physician', 'nurse', 'technician'))"
    )
