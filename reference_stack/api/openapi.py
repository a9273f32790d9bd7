"""What every route's description shares: names of operations, and the errors of all."""

from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from reference_stack.api.problems import MEDIA_TYPE


class Problem(BaseModel):
    """An RFC 9457 problem document; ``type`` is stable and may be tested for."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str | None = None


_STATUSES: Final = {
    400: "the body is not what its Content-Type says",
    401: "no valid token, or wrong credentials",
    403: "the role does not allow it",
    404: "there is no such thing",
    405: "the method is not allowed here",
    409: "the state of things forbids it: an unknown version, one's own account, an old alert",
    412: "it has changed since it was read",
    413: "too large",
    416: "the range is outside the content",
    422: "the request does not fit the contract, or its key belongs to another",
    428: "If-Match is needed",
    429: "too many requests or attempts; see Retry-After",
    500: "a fault of the service, which was logged",
    502: "the assistant stopped in mid-answer",
    503: "not available at the moment; see Retry-After",
}

PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
    for status, description in _STATUSES.items()
}


def route_name(route: APIRoute) -> str:
    """The operation's id: module and function, as ``patients-lookup``."""
    return f"{route.endpoint.__module__.rsplit('.', 1)[-1]}-{route.name}"
