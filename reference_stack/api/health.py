"""GET /health, /ready and /metrics: for balancers, for people, for Prometheus."""

import asyncio

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import DatabaseUnavailableError
from reference_stack.api.metrics import EXPOSITION_MEDIA_TYPE
from reference_stack.api.services import Services, ServicesDependency

router = APIRouter()

READY_TIMEOUT_S = 1.0


def _json(status_code: int, document: dict[str, str]) -> Response:
    return Response(orjson.dumps(document), status_code, media_type="application/json")


@router.get("/health", response_class=Response)
async def health(services: ServicesDependency) -> Response:
    """200 while this process answers.

    It never asks the database: that is shared, and its absence would take every node out at once.
    """
    settings = services.settings
    return _json(200, {"status": "ok", "site": settings.site, "mode": settings.mode})


@router.get("/health/chat", response_class=Response)
async def chat_health(services: ServicesDependency) -> Response:
    """200 while this node's own inference answers too, so that chats go where they are served.

    A node that has just started answers everything else before its model is loaded.
    """
    settings = services.settings
    inference = await services.inference.is_healthy(READY_TIMEOUT_S)
    return _json(
        200 if inference else 503,
        {
            "status": "ok" if inference else "inference away",
            "site": settings.site,
            "mode": settings.mode,
        },
    )


@router.get("/ready", response_class=Response)
async def ready(services: ServicesDependency) -> Response:
    """200 when database and inference answer within a second, else 503; both are named."""
    settings = services.settings
    database, inference = await asyncio.gather(
        _database_state(services), services.inference.is_healthy(READY_TIMEOUT_S)
    )
    is_ready = database != "away" and inference
    return _json(
        200 if is_ready else 503,
        {
            "status": "ready" if is_ready else "not ready",
            "site": settings.site,
            "mode": settings.mode,
            "database": database,
            "inference": "ok" if inference else "away",
        },
    )


async def _database_state(services: Services) -> str:
    async def ask(connection: FailoverConnection) -> str:
        cursor = await connection.execute("SELECT pg_is_in_recovery()")
        row = await cursor.fetchone()
        return "standby" if row and row[0] else "primary"

    try:
        return await services.database.read(ask, timeout_s=READY_TIMEOUT_S)
    except DatabaseUnavailableError:
        return "away"


@router.get("/metrics", response_class=Response)
async def metrics(services: ServicesDependency) -> Response:
    return Response(services.metrics.exposition(), media_type=EXPOSITION_MEDIA_TYPE)
