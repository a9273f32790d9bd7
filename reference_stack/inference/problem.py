"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import math
from http import HTTPStatus

from starlette.responses import JSONResponse

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the RFC's word
    """An answer that is an error; `code` is a stable word for programs, `detail` for people."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, object]:
        """The problem's JSON members."""
        return {
            "type": f"urn:prontuario:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
        }

    def response(self) -> JSONResponse:
        """The HTTP answer. Retry-After is in whole seconds, at least one."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return JSONResponse(
            self.document(), self.status.value, headers=headers, media_type=PROBLEM_TYPE
        )
