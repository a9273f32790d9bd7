"""The web client: static files, served by the API itself, so that both fail over together.

It stands in for the hospital's iPhone app (A-17): log in, pick a patient, chat, dictate, write
notes, see documents and vital signs. No build step and nothing from another origin; what a page may
load is said by the Content-Security-Policy below and refused by the browser otherwise.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC: Final = Path(__file__).parent / "static"
PATH: Final = "/app"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src blob:",
        "frame-src blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No string becomes markup or code, not even by a mistake in the client itself.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    # Always asked for again (by ETag): after an upgrade no browser runs half of the old client.
    "Cache-Control": "no-cache",
}


class _WithHeaders:
    """Adds `HEADERS` to each answer of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _to_client(*_: object) -> RedirectResponse:
    return RedirectResponse(f"{PATH}/")


def mount_web(app: Starlette) -> None:
    """Serve the client under `PATH`, and send who asks for ``/`` there.

    Call it after all routes of the API: it takes none of them.
    """
    to_client: Callable[..., Awaitable[RedirectResponse]] = _to_client
    app.router.routes.append(Mount(PATH, _WithHeaders(StaticFiles(directory=STATIC, html=True))))
    app.router.routes.append(Route("/", to_client, include_in_schema=False))
