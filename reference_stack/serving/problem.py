"""Errors that are RFC 9457 problem documents and OpenAI's error objects at once."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

PROBLEM_TYPE = "application/problem+json"

# OpenAI's clients look at the status first and at this word second.
_OPENAI_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
}


class Problem(Exception):  # noqa: N818 - the RFC's word
    """An answer that is an error.

    `code` is a stable word for programs, `detail` for people, `param` the request's key that is to
    blame, if one is.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        retry_after_s: float | None = None,
        *,
        param: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.param = param

    @property
    def is_server_error(self) -> bool:
        """Whether the service is to blame, not the request."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def document(self) -> dict[str, Any]:
        """The problem's JSON members; `error` is what OpenAI's clients read."""
        other = "server_error" if self.is_server_error else "invalid_request_error"
        return {
            "type": f"urn:prontuario:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
            "error": {
                "message": self.detail,
                "type": _OPENAI_TYPES.get(self.status, other),
                "param": self.param,
                "code": self.code,
            },
        }

    def response(self) -> JSONResponse:
        """The HTTP answer. Retry-After is in whole seconds, at least one."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return JSONResponse(
            self.document(), self.status.value, headers=headers, media_type=PROBLEM_TYPE
        )


def bad_request(code: str, detail: str, param: str | None = None) -> Problem:
    """A 400 that blames the request's key `param`."""
    return Problem(HTTPStatus.BAD_REQUEST, code, detail, param=param)


def too_large(limit_bytes: int, param: str | None = None) -> Problem:
    """A 413: the request, or its file, is larger than the service takes."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"more than {limit_bytes:,} bytes",
        param=param,
    )


def unavailable(code: str, detail: str, retry_after_s: float = 5) -> Problem:
    """A 503: the same request may succeed after `retry_after_s`."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, retry_after_s)
