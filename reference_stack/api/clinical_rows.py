"""Observations, alerts, reports and saved conversations as the database has them."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from reference_stack.api.problems import ProblemError, ProblemKind
from reference_stack.api.rows import Place, fetch
from reference_stack.api.services import Services
from reference_stack.fhir.resources import Alert, DiagnosticReport, Exchange, Observation

Kind = type[Observation] | type[Alert] | type[DiagnosticReport] | type[Exchange]

TABLES: Final[dict[Kind, str]] = {
    Observation: "observation",
    Alert: "alert",
    DiagnosticReport: "diagnostic_report",
    Exchange: "chat_exchange",
}
TIMES: Final[dict[Kind, str]] = {
    Observation: "effective_at",
    Alert: "raised_at",
    DiagnosticReport: "recorded_at",
    Exchange: "answered_at",
}


def columns(kind: Kind) -> str:
    """The columns that make up one of these, in the order of its fields."""
    return ", ".join(field.name for field in fields(kind))


def latest_statement(kind: Kind, *, conditions: tuple[str, ...] = ()) -> str:
    """The latest rows after a place; takes ``at``, ``id``, ``limit`` and what conditions take."""
    time = TIMES[kind]
    place = f"(%(at)s::timestamptz IS NULL OR ({time}, id) < (%(at)s::timestamptz, %(id)s::uuid))"
    where = " AND ".join((*conditions, place))
    return (
        f"SELECT {columns(kind)} FROM {TABLES[kind]} WHERE {where} "  # noqa: S608 - our names
        f"ORDER BY {time} DESC, id DESC LIMIT %(limit)s"
    )


def latest_place(kind: Kind) -> Place:
    """What a cursor over `latest_statement` holds."""
    names = [field.name for field in fields(kind)]
    return {"at": (names.index(TIMES[kind]), datetime), "id": (names.index("id"), UUID)}


async def find_one(
    services: Services, kind: Kind, key: UUID, missing: ProblemKind
) -> tuple[Any, ...]:
    """One row by its id; raises `ProblemError` of the kind ``missing``."""
    statement = f"SELECT {columns(kind)} FROM {TABLES[kind]} WHERE id = %s"  # noqa: S608
    rows = await fetch(services, statement, (key,))
    if not rows:
        raise ProblemError(missing, f"no {TABLES[kind].replace('_', ' ')} {key}")
    return rows[0]
