"""GET /v1/status: in which mode the system runs, and what its users are to know (B-14)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
from fastapi import APIRouter
from starlette.responses import Response

from reference_stack.api.permissions import functions
from reference_stack.api.services import ServicesDependency
from reference_stack.api.settings import ApiSettings

ASK_TIMEOUT_S = 0.5
KEPT_S = 2.0


class Leadership:
    """The fallback controller's word on who leads, asked at most every ``KEPT_S`` seconds."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._known: dict[str, Any] | None = None
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def now(self) -> dict[str, Any] | None:
        """Its document, or None while it doesn't answer."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._url is not None and now - self._asked_at > KEPT_S:
                self._known = await self._ask(self._url)
                self._asked_at = asyncio.get_running_loop().time()
            return self._known

    async def _ask(self, url: str) -> dict[str, Any] | None:
        try:
            async with httpx.AsyncClient(timeout=ASK_TIMEOUT_S, trust_env=False) as client:
                answer = await client.get(f"{url}/leadership")
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return document


def status_router(settings: ApiSettings) -> APIRouter:
    """The route; it needs no login, as it says nothing about anyone."""
    router = APIRouter()
    leadership = Leadership(settings.fallback_url)
    in_emergency = settings.mode == "emergency"
    on = functions(in_emergency=in_emergency)
    served = {"on": on, "off": [name for name in functions(in_emergency=False) if name not in on]}

    @router.get("/v1/status", response_class=Response)
    async def status(services: ServicesDependency) -> Response:
        """``mode``: normal, emergency or unknown; ``message``: for the users, or null.

        ``functions`` says what this site serves and what is off; ``users`` how many of the
        emergency's places are taken, null on a site of the hospital.
        """
        known = await leadership.now()
        mode = "unknown" if known is None else _MODES.get(known.get("leader", ""), "unknown")
        document = {
            "site": settings.site,
            "mode": mode,
            "phase": None if known is None else known.get("phase"),
            "message": None if known is None else known.get("message"),
            "functions": served,
            "users": (
                {"active": services.places.taken(), "limit": services.places.limit}
                if in_emergency
                else None
            ),
        }
        return Response(orjson.dumps(document), media_type="application/json")

    return router


_MODES = {"hospital": "normal", "cloud": "emergency"}
