"""What the database knows of a patient and the language model may be told."""

from typing import Final
from uuid import UUID

import orjson

from reference_stack.api.chat_context import PatientContext, signs_text
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.patient_facts import patient_facts
from reference_stack.api.problems import PATIENT_NOT_FOUND, ProblemError
from reference_stack.fhir.codes import BY_CODE

NOTES_TOLD: Final = 10

SELECT_PATIENT: Final = "SELECT sex, birth_date, resource::text FROM patient WHERE id = %s"
SELECT_NOTES: Final = """
SELECT text FROM note WHERE patient_id = %s ORDER BY recorded_at DESC, id LIMIT %s
"""
SELECT_ALERTS: Final = """
SELECT message FROM alert WHERE patient_id = %s AND acknowledged_at IS NULL
ORDER BY raised_at DESC, id LIMIT 5
"""
SELECT_SIGNS: Final = """
SELECT code, value, unit, value_code FROM (
    SELECT DISTINCT ON (code) code, value, unit, value_code, effective_at FROM (
        SELECT * FROM observation WHERE patient_id = %s ORDER BY effective_at DESC, id DESC LIMIT 40
    ) AS latest ORDER BY code, effective_at DESC
) AS signs ORDER BY code
"""


async def patient_context(connection: FailoverConnection, patient_id: UUID) -> PatientContext:
    """What the model may be told of a patient; raises `ProblemError` (404)."""
    row = await (await connection.execute(SELECT_PATIENT, (patient_id,))).fetchone()
    if row is None:
        raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
    notes = await (await connection.execute(SELECT_NOTES, (patient_id, NOTES_TOLD))).fetchall()
    alerts = await (await connection.execute(SELECT_ALERTS, (patient_id,))).fetchall()
    signs = await (await connection.execute(SELECT_SIGNS, (patient_id,))).fetchall()
    return PatientContext(
        sex=row[0],
        birth_date=row[1],
        facts=patient_facts(orjson.loads(row[2])),
        signs=signs_text(
            [
                (BY_CODE[code].name.replace("_", " "), value, unit, word)
                for code, value, unit, word in signs
                if code in BY_CODE
            ]
        ),
        alerts=[message for (message,) in alerts],
        notes=[text for (text,) in notes],
    )
