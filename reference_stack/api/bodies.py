"""Request bodies that are bytes: a picture, a file."""

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from reference_stack.api.problems import DOCUMENT_TOO_LARGE, INVALID_REQUEST, ProblemError
from reference_stack.documents.records import ContentType

_content_type: TypeAdapter[str] = TypeAdapter(ContentType)


def checked_content_type(request: Request) -> str:
    """The body's media type; raises `ProblemError` (422) for what is none."""
    try:
        return _content_type.validate_python(request.headers.get("Content-Type", ""))
    except ValidationError as error:
        raise ProblemError(INVALID_REQUEST, "Content-Type: a media type is needed") from error


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body; raises `ProblemError`: 413 beyond the limit, 422 when it is empty."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise ProblemError(DOCUMENT_TOO_LARGE, f"at most {limit_bytes} bytes")
        chunks.append(chunk)
    if size == 0:
        raise ProblemError(INVALID_REQUEST, "the body is empty")
    return b"".join(chunks)
