"""What several routes ask the database for, and how its refusals are told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from reference_stack.api.connections import FailoverConnection
from reference_stack.api.problems import NOT_AUTHENTICATED, PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.services import Services

PATIENT_EXISTS = "SELECT 1 FROM patient WHERE id = %s"


async def fetch(
    services: Services, statement: str, parameters: Sequence[object] | dict[str, object]
) -> list[tuple[Any, ...]]:
    """All rows of one reading statement."""

    async def find(connection: FailoverConnection) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(statement.encode(), parameters)
        return await cursor.fetchall()

    return await services.database.read(find)


async def fetch_of_patient(
    services: Services, patient_id: UUID, statement: str, parameters: dict[str, object]
) -> list[tuple[Any, ...]]:
    """Rows that belong to a patient; no rows of an unknown patient are a `ProblemError` (404)."""

    async def find(connection: FailoverConnection) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(statement.encode(), parameters)
        rows = await cursor.fetchall()
        if not rows:
            await require_patient(connection, patient_id)
        return rows

    return await services.database.read(find)


async def require_patient(connection: FailoverConnection, patient_id: UUID) -> None:
    """Raise `ProblemError` (404) when there is no such patient."""
    cursor = await connection.execute(PATIENT_EXISTS, (patient_id,))
    if await cursor.fetchone() is None:
        raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")


@contextmanager
def references_checked(patient_id: UUID | None) -> Iterator[None]:
    """Tell a broken reference to a patient from one to the token's clinician."""
    try:
        yield
    except ForeignKeyViolation as error:
        if (error.diag.constraint_name or "").endswith("_patient_id_fkey"):
            raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}") from error
        raise ProblemError(NOT_AUTHENTICATED, "the token's clinician is unknown here") from error
