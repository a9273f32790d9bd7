"""No answer about a patient leaves before its event is safe, whatever the route and the outcome.

The beginning of the answer is held back until `AuditTrail.append` returns. Requests that were
stopped before anybody was known (401) and those that the table does not audit pass. A WebSocket's
event is recorded by its route, before it is accepted.
"""

import contextlib
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_stack.api.access import Access, record
from reference_stack.api.audit_trail import AuditUnavailableError
from reference_stack.api.problems import AUDIT_UNAVAILABLE, INTERNAL, ProblemError, problem_response
from reference_stack.api.services import Services

logger = logging.getLogger(__name__)


class AuditMiddleware:
    """A plain ASGI middleware; it expects the application's services in ``app.state``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = False

        async def send_recorded(message: Message) -> None:
            nonlocal refused
            if refused:
                return
            if message["type"] == "http.response.start":
                try:
                    await _record(scope, message["status"])
                except AuditUnavailableError as error:
                    logger.error("audit: %s", error)  # noqa: TRY400 - no traceback needed
                    refused = True
                    answer = problem_response(ProblemError(AUDIT_UNAVAILABLE))
                    await answer(scope, receive, send)
                    return
            await send(message)

        try:
            await self._app(scope, receive, send_recorded)
        except Exception:
            # What is answered with 500 further out was an attempt at an access too.
            with contextlib.suppress(AuditUnavailableError):
                await _record(scope, INTERNAL.status)
            raise


async def _record(scope: Scope, status: int) -> None:
    access: Access | None = scope["state"].get("access")
    if access is not None:
        services: Services = scope["app"].state.services
        await record(services, access, status)
