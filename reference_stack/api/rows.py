"""What several routes ask the database for, and how its refusals are told."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from reference_stack.api.connections import FailoverConnection
from reference_stack.api.paging import decode_cursor, encode_cursor, page_of
from reference_stack.api.problems import NOT_AUTHENTICATED, PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.services import Services

Row = tuple[Any, ...]
#: What a cursor holds: a statement's parameters, each with its column's number and its kind.
Place = Mapping[str, tuple[int, type]]

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


async def fetch_page(
    services: Services, statement: str, values: Mapping[str, object], place: Place,
    *, cursor: str | None, limit: int, patient_id: UUID | None = None,
) -> tuple[list[Row], str | None]:  # fmt: skip
    """The page after the cursor's place, and the cursor of the page after it, if there is one.

    The statement takes ``limit`` and, all null for the first page, the parameters of ``place``.
    No rows of a named patient are a `ProblemError` (404) if there is no such patient; a cursor that
    no page gave out is one too (422).
    """
    kinds = [kind for _, kind in place.values()]
    after = decode_cursor(cursor, *kinds) or (None,) * len(place)
    parameters = {**values, **dict(zip(place, after, strict=True)), "limit": limit + 1}
    if patient_id is None:
        found = await fetch(services, statement, parameters)
    else:
        found = await fetch_of_patient(services, patient_id, statement, parameters)
    rows, more = page_of(found, limit)
    following = encode_cursor(*(rows[-1][column] for column, _ in place.values())) if more else None
    return rows, following


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
