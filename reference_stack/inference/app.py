"""The HTTP face of a node's models: one address for chat, speech, faces and images."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from reference_stack.inference.blas import Blas
from reference_stack.inference.chat import chat_routes
from reference_stack.inference.engine import Engine
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.settings import InferenceSettings
from reference_stack.serving.body_limit import BodyLimit
from reference_stack.serving.problem import Problem, bad_request
from reference_stack.serving.service import ModelService

log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0
# What `BodyLimit` refuses.
_CODES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.SERVICE_UNAVAILABLE: "uploads_full",
}


def build_app(
    settings: InferenceSettings,
    engine: Engine,
    metrics: InferenceMetrics,
    blas: Blas,
    *,
    model_version: Callable[[], str | None] = lambda: None,
    services: Sequence[ModelService] = (),
) -> FastAPI:
    """The application; its lifespan starts and stops `engine` and `services`.

    `model_version` names the copy of the language model that serves, once one does.
    """
    metrics.watch(lambda: engine.queue_length, lambda: engine.running, lambda: engine.cached_bytes)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        async with AsyncExitStack() as stack:
            for service in services:
                stack.push_async_callback(service.close)
                await service.start()
            yield
        if not await asyncio.to_thread(engine.stop, _STOP_TIMEOUT_S):
            log.error("the decoding thread did not end within %s s", _STOP_TIMEOUT_S)

    app = FastAPI(title="Prontuário inference", docs_url=None, redoc_url=None, lifespan=lifespan)
    _handle_errors(app)
    limits = {path: size for service in services for path, size in service.body_limits.items()}
    app.add_middleware(BodyLimit, limits_bytes=limits)
    app.include_router(chat_routes(settings, engine))
    for service in services:
        app.include_router(service.router)

    app.include_router(
        _about(
            settings,
            engine,
            metrics,
            blas=blas,
            model_version=model_version,
            services=services,
        )
    )
    return app


def _about(
    settings: InferenceSettings,
    engine: Engine,
    metrics: InferenceMetrics,
    *,
    blas: Blas,
    model_version: Callable[[], str | None],
    services: Sequence[ModelService],
) -> APIRouter:
    """What the process says of itself: health, metrics and models."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> JSONResponse:
        state = engine.health()
        document = {
            "status": state.state,
            "site": settings.site,
            "model": settings.model_name,
            "model_version": model_version(),
            "blas": blas,
            "services": {service.name: service.status for service in services},
        }
        if state.state == "ok":
            return JSONResponse(document)
        return JSONResponse(
            {**document, "detail": state.detail}, HTTPStatus.SERVICE_UNAVAILABLE.value
        )

    @router.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    served = [settings.model_name, *(name for service in services for name in service.models)]

    @router.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"object": "list", "data": [_model(name) for name in served]}

    @router.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, object]:
        if name not in served:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "model_not_found",
                f"model: {name!r} is not served here, allowed are {', '.join(served)}",
                param="model",
            )
        return _model(name)

    return router


def _model(name: str) -> dict[str, object]:
    # Nobody says when a model was made; clients want a number.
    return {"id": name, "object": "model", "created": 0, "owned_by": "prontuario"}


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def own(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        # Where JSON ends to be JSON is a number, and no key.
        places = () if first["type"] == "json_invalid" else first["loc"]
        key = ".".join(str(part) for part in places if part != "body") or "body"
        return bad_request("invalid_request", f"{key}: {first['msg']}", key).response()

    @app.exception_handler(HTTPException)
    async def routing(_request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = _CODES.get(status, "http")
        response = Problem(status, code, str(error.detail)).response()
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def bug(_request: Request, _error: Exception) -> Response:
        # Starlette raises the error again when this is sent, and so it is logged.
        return Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "the service's log says what"
        ).response()
