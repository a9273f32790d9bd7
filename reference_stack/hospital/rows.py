"""The hospital as rows of the database's tables, and how rows get there: COPY."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
import orjson
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from reference_stack.fhir.codes import BY_NAME
from reference_stack.hospital.fhir import patient_resource
from reference_stack.hospital.population import Block
from reference_stack.hospital.vital_signs import SIGNS

Row = tuple[Any, ...]

OBSERVATION_STREAM: Final = 7


@dataclass(frozen=True)
class Table:
    """A table, the columns that are filled, and a block's rows of them."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[int, Block], Iterator[Row]]


def patient_rows(_seed: int, block: Block) -> Iterator[Row]:
    """The patients, those in a bed with ward and bed in their resource."""
    stays = {stay.patient.id: stay for stay in block.stays}
    for patient in block.patients:
        resource = patient_resource(patient, stays.get(patient.id))
        yield (
            patient.id,
            patient.medical_record_number,
            patient.name,
            patient.birth_date,
            patient.sex,
            orjson.dumps(resource).decode(),
        )


def note_rows(_seed: int, block: Block) -> Iterator[Row]:
    """The clinical notes."""
    for note in block.notes:
        yield (note.client_id, note.patient_id, note.author_id, note.text, note.recorded_at)


def observation_rows(seed: int, block: Block) -> Iterator[Row]:
    """Each reading of each vital sign, of the oxygen given, and of consciousness as a word."""
    oxygen, consciousness = BY_NAME["inhaled_oxygen"], BY_NAME["consciousness"]
    signs = len(SIGNS) + 2
    stream = np.random.SeedSequence([seed, OBSERVATION_STREAM, block.number])
    for recording, own in zip(block.recordings, stream.spawn(len(block.recordings)), strict=True):
        patient_id = recording.admission.patient.id
        ids = np.random.default_rng(own).bytes(16 * signs * len(recording.times))
        readings = zip(recording.readings(), recording.oxygen, recording.consciousness, strict=True)
        for step, ((at, reading), flow, word) in enumerate(readings):
            values: Iterable[tuple[str, float | None, str | None, str | None]] = (
                *((sign.loinc, reading[sign.key], sign.unit, None) for sign in SIGNS),
                (oxygen.code, flow, oxygen.unit, None),
                (consciousness.code, None, None, word),
            )
            for place, (code, value, unit, value_code) in enumerate(values):
                first = 16 * (step * signs + place)
                id_ = UUID(bytes=ids[first : first + 16], version=4)
                yield (id_, patient_id, code, value, unit, value_code, at, at)


PATIENT: Final = Table(
    "patient",
    ("id", "medical_record_number", "name", "birth_date", "sex", "resource"),
    patient_rows,
)
NOTE: Final = Table(
    "note", ("client_id", "patient_id", "author_id", "text", "recorded_at"), note_rows
)
OBSERVATION: Final = Table(
    "observation",
    ("id", "patient_id", "code", "value", "unit", "value_code", "effective_at", "recorded_at"),
    observation_rows,
)


def known(connection: psycopg.Connection, table: str, ids: Sequence[UUID]) -> int:
    """How many of the ids the table holds."""
    statement = SQL("SELECT count(*) FROM {} WHERE id = ANY(%s)").format(Identifier(table))
    row = connection.execute(statement, (list(ids),)).fetchone()
    return int(row[0]) if row is not None else 0


def patients_with_rows(
    connection: psycopg.Connection, table: str, patients: Sequence[UUID]
) -> set[UUID]:
    """Those of the patients the table says something about."""
    statement = SQL("SELECT DISTINCT patient_id FROM {} WHERE patient_id = ANY(%s)").format(
        Identifier(table)
    )
    return {row[0] for row in connection.execute(statement, (list(patients),)).fetchall()}


def copy_rows(
    connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]
) -> int:
    """COPY rows into a table; returns their number. A row that is there already is an error."""
    with connection.cursor() as cursor:
        with cursor.copy(_copy(table, columns)) as copy:
            for row in rows:
                copy.write_row(row)
        return max(0, cursor.rowcount)


def merge_rows(
    connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]
) -> int:
    """COPY rows beside the table, then take over those that are new; returns their number."""
    names = {"table": Identifier(table), "columns": SQL(", ").join(map(Identifier, columns))}
    connection.execute(
        SQL("CREATE TEMPORARY TABLE incoming AS SELECT {columns} FROM {table} LIMIT 0").format(
            **names
        )
    )
    copy_rows(connection, "incoming", columns, rows)
    added = connection.execute(
        SQL(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming ON CONFLICT DO NOTHING"
        ).format(**names)
    ).rowcount
    connection.execute("DROP TABLE incoming")
    return added


def _copy(table: str, columns: Sequence[str]) -> Composed:
    return SQL("COPY {} ({}) FROM STDIN").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )
