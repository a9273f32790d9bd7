"""Around every request: the site's headers, the metrics, and an answer even to a bug."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_stack.api.metrics import Metrics
from reference_stack.api.problems import INTERNAL, ProblemError, problem_response
from reference_stack.api.settings import ApiSettings

logger = logging.getLogger(__name__)

UNMATCHED_ROUTE = "unmatched"
# Methods outside HTTP's own would let clients invent metric labels.
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class SiteMiddleware:
    """A plain ASGI middleware: it neither buffers streams nor hides the client's disconnection."""

    def __init__(self, app: ASGIApp, *, settings: ApiSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = [
            (b"x-prontuario-site", settings.site.encode()),
            (b"x-prontuario-mode", settings.mode.encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = perf_counter()
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # The outermost place that can still answer; the traceback goes to the log.
            logger.exception("unexpected failure: %s %s", scope["method"], scope["path"])
            if status is not None:
                raise
            await problem_response(ProblemError(INTERNAL))(scope, receive, send_with_headers)
        finally:
            method = scope["method"]
            self._metrics.observe(
                method=method if method in KNOWN_METHODS else "other",
                route=getattr(scope.get("route"), "path", UNMATCHED_ROUTE),
                status=status or INTERNAL.status,
                duration_s=perf_counter() - started_at,
            )
