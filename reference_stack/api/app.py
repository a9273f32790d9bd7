"""The API as an ASGI application: routes, error documents, and the life of what they share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from reference_stack.api import chat, documents, health, login, logout, notes, patients
from reference_stack.api.cache import LookupCache
from reference_stack.api.database import (
    Database,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    WriteOutcomeUnknownError,
)
from reference_stack.api.document_store import DocumentStore
from reference_stack.api.inference_client import InferenceClient
from reference_stack.api.limits import RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.middleware import SiteMiddleware
from reference_stack.api.passwords import PasswordVerifier
from reference_stack.api.problems import (
    DATABASE_UNAVAILABLE,
    INVALID_REQUEST,
    NOT_FOUND,
    OUTCOME_UNKNOWN,
    OVERLOADED,
    READ_ONLY,
    ProblemError,
    ProblemKind,
    problem_response,
)
from reference_stack.api.services import Services
from reference_stack.api.sessions import Sessions
from reference_stack.api.settings import ApiSettings
from reference_stack.api.status import status_router
from reference_stack.cache.client import CacheClient

FAILURES: dict[type[Exception], ProblemKind] = {
    DatabaseUnavailableError: DATABASE_UNAVAILABLE,
    DatabaseReadOnlyError: READ_ONLY,
    WriteOutcomeUnknownError: OUTCOME_UNKNOWN,
    TimeoutError: OVERLOADED,
}


def create_app(settings: ApiSettings) -> FastAPI:
    """Build the application. Its lifespan starts it, also while database and inference are away."""
    database = Database(
        settings.database_url,
        site=settings.site,
        pool_size=settings.database_pool_size,
        request_timeout_s=settings.request_timeout_s,
        accept_standby=settings.mode == "emergency",
    )
    cache = CacheClient(settings.cache)
    metrics = Metrics(database.lanes, cache)
    limits = RateLimits(cache, metrics, settings.token_secret)
    sessions = Sessions(database, cache, limits, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = Services(
            settings=settings,
            database=database,
            passwords=PasswordVerifier(settings.password_threads),
            inference=InferenceClient(
                settings.inference_url,
                model=settings.inference_model,
                idle_timeout_s=settings.chat_idle_timeout_s,
            ),
            documents=DocumentStore(
                settings.documents_urls,
                settings.documents_secret,
                timeout_s=settings.request_timeout_s,
            ),
            metrics=metrics,
            sessions=sessions,
            limits=limits,
            lookups=LookupCache(cache, metrics, settings.token_secret),
        )
        app.state.services = services
        await database.open()
        await cache.start()
        await sessions.start()
        try:
            yield
        finally:
            await sessions.close()
            await cache.close()
            await database.close()
            await services.inference.close()
            await services.documents.close()
            services.passwords.close()

    app = FastAPI(title="Prontuário API", lifespan=lifespan)
    app.add_middleware(SiteMiddleware, settings=settings, metrics=metrics)
    for module in (login, logout, patients, notes, documents, chat, health):
        app.include_router(module.router)
    app.include_router(status_router(settings))
    _answer_errors_with_problems(app)
    return app


def _answer_errors_with_problems(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def answer_problem(_request: Request, error: ProblemError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(_request: Request, error: RequestValidationError) -> Response:
        detail = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        return problem_response(ProblemError(INVALID_REQUEST, detail))

    @app.exception_handler(HTTPException)
    async def answer_framework(_request: Request, error: HTTPException) -> Response:
        """Errors of the framework itself: no such route, method not allowed."""
        is_missing = error.status_code == NOT_FOUND.status
        kind = (
            NOT_FOUND if is_missing else ProblemKind("about:blank", error.status_code, error.detail)
        )
        response = problem_response(ProblemError(kind))
        response.headers.update(error.headers or {})
        return response

    async def answer_failure(_request: Request, error: Exception) -> Response:
        return problem_response(ProblemError(FAILURES[type(error)], str(error)))

    for failure in FAILURES:
        app.add_exception_handler(failure, answer_failure)
