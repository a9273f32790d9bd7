"""Pages by cursor: the place after which the next page begins, not a number of rows to skip.

A cursor is opaque to clients. ``Link: <…>; rel="next"`` (RFC 8288) holds the next page's address;
its absence means that this was the last.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from reference_stack.api.problems import INVALID_REQUEST, ProblemError

Row = TypeVar("Row")

CursorParameter = Annotated[
    str | None, Query(max_length=400, description="from the Link of the page before")
]
LimitParameter = Annotated[int, Query(ge=1, le=100)]


def encode_cursor(*place: object) -> str:
    """A cursor for a place: values that JSON can hold, times and ids as text."""
    return base64.urlsafe_b64encode(orjson.dumps([_plain(part) for part in place])).decode()


def decode_cursor(cursor: str | None, *kinds: type) -> tuple[object, ...] | None:
    """The place, its parts of the given kinds (`str`, `float`, `UUID`, `datetime`).

    None for no cursor. Raises `ProblemError` (422) for what no page ever gave out.
    """
    if cursor is None:
        return None
    try:
        parts = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        if not isinstance(parts, list):
            raise TypeError("not a list")
        return tuple(_read(kind, part) for kind, part in zip(kinds, parts, strict=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise ProblemError(INVALID_REQUEST, "cursor: not one that a page gave out") from error


def page_of(rows: Sequence[Row], limit: int) -> tuple[list[Row], bool]:
    """The page and whether there are more, from ``limit + 1`` rows that were asked for."""
    return list(rows[:limit]), len(rows) > limit


def next_url(request: Request, cursor: str, name: str = "cursor") -> str:
    """The request's own path and query with another cursor.

    Relative, since a service behind a balancer doesn't know by what name it was called.
    """
    url = request.url.include_query_params(**{name: cursor})
    return f"{url.path}?{url.query}"


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Set ``Link`` on the answer when there is a next page."""
    if cursor is not None:
        response.headers["Link"] = f'<{next_url(request, cursor)}>; rel="next"'


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return part.isoformat()
    return str(part) if isinstance(part, UUID) else part


def _read(kind: type, part: object) -> object:
    if kind is float and isinstance(part, int | float) and not isinstance(part, bool):
        return float(part)
    if not isinstance(part, str) or "\x00" in part:
        raise TypeError("not a text")
    part.encode()
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None:
            raise ValueError("a time without its zone")
        return at
    return kind(part)
