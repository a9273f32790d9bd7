"""Request bodies that are bytes: a picture, a file, a recording."""

from collections.abc import AsyncGenerator

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from reference_stack.api.problems import (
    DOCUMENT_TOO_LARGE,
    INVALID_REQUEST,
    ProblemError,
    ProblemKind,
)
from reference_stack.documents.records import ContentType

_content_type: TypeAdapter[str] = TypeAdapter(ContentType)


def checked_content_type(request: Request) -> str:
    """The body's media type; raises `ProblemError` (422) for what is none."""
    try:
        return _content_type.validate_python(request.headers.get("Content-Type", ""))
    except ValidationError as error:
        raise ProblemError(INVALID_REQUEST, "Content-Type: a media type is needed") from error


async def limited_stream(
    request: Request, limit_bytes: int, too_large: ProblemKind = DOCUMENT_TOO_LARGE
) -> AsyncGenerator[bytes, None]:
    """The body as it comes; raises `ProblemError` (413) as soon as it is beyond the limit."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise ProblemError(too_large, f"at most {limit_bytes} bytes")
        yield chunk


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body; raises `ProblemError`: 413 beyond the limit, 422 when it is empty."""
    body = b"".join([chunk async for chunk in limited_stream(request, limit_bytes)])
    if not body:
        raise ProblemError(INVALID_REQUEST, "the body is empty")
    return body
