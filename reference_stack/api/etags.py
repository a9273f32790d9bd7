"""Entity tags: what has not changed is not sent again, what has changed is not overwritten."""

import hashlib
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from reference_stack.api.problems import NO_MATCH, PRECONDITION_NEEDED, ProblemError

IfNoneMatch = Annotated[str, Header(max_length=1000)]
IfMatch = Annotated[str, Header(max_length=1000)]


def etag_of(content: bytes) -> str:
    """A strong tag: equal content, equal tag (128 bits)."""
    return f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'


def version_etag(version: int) -> str:
    """The tag of a numbered version."""
    return f'"{version}"'


def matches(header: str, etag: str) -> bool:
    """Whether one of the listed tags is this one; weak comparison (RFC 9110, 8.8.3.2)."""
    return _lists(header, etag) or _lists(header, f"W/{etag}")


def _lists(header: str, etag: str) -> bool:
    listed = {tag.strip() for tag in header.split(",")}
    return "*" in listed or etag in listed


def content_response(
    content: bytes, media_type: str, if_none_match: str, headers: dict[str, str] | None = None
) -> Response:
    """The content with its tag, or 304 without it when the client has it already."""
    etag = etag_of(content)
    words = {"ETag": etag, "Cache-Control": "private, no-cache", **(headers or {})}
    if if_none_match and matches(if_none_match, etag):
        return Response(status_code=304, headers=words)
    return Response(content, media_type=media_type, headers=words)


def require_match(header: str, etag: str) -> None:
    """Raise `ProblemError`: 428 when the client names no version, 412 when it names another.

    Comparison is strong (RFC 9110, 13.1.1): a weak tag names no version.
    """
    if not header:
        raise ProblemError(PRECONDITION_NEEDED)
    if not _lists(header, etag):
        raise ProblemError(NO_MATCH, f"it is now {etag}")
