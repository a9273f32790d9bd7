"""The SQL for what a clinician typed to find a patient."""

import re
import unicodedata
from typing import Any, Final

_SUMMARY: Final = "SELECT id, name, birth_date, medical_record_number, resource::text FROM patient"


def folded_words(text: str) -> list[str]:
    """The words of a text in lower case without accents; letters and digits only."""
    decomposed = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.findall(r"[a-z0-9]+", plain)


def search_statement(
    query: str, limit: int, after: tuple[object, ...] | None = None
) -> tuple[str, dict[str, Any]] | None:
    """The SQL for what a clinician typed, or `None` when it can't match anything.

    Digits are the beginning of a medical record number. Otherwise every word is the beginning of a
    word of the name, whatever its accents and case: "jo silv" finds João da Silva. ``after`` is the
    place (sort key, id) of the last patient of the page before. Columns: id, name, birth_date,
    medical_record_number, resource.
    """
    query = query.strip()
    values: dict[str, Any] = {"limit": limit}
    conditions = []
    order = "name"
    if query.isascii() and query.isdigit():
        order = "medical_record_number"
        conditions.append("medical_record_number LIKE %(prefix)s")
        values["prefix"] = f"{query}%"
    elif query:
        words = folded_words(query)
        if not words:
            return None
        conditions.append("search @@ to_tsquery('simple', %(words)s)")
        values["words"] = " & ".join(f"{word}:*" for word in words)
    if after is not None:
        conditions.append(f"({order}, id) > (%(after)s, %(after_id)s)")
        values["after"], values["after_id"] = after
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{_SUMMARY}{where} ORDER BY {order}, id LIMIT %(limit)s", values


def sort_key(query: str, row: tuple[Any, ...]) -> str:
    """The value by which `search_statement` ordered this row."""
    query = query.strip()
    return str(row[3] if query.isascii() and query.isdigit() else row[1])
