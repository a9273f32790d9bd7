"""The API as an ASGI application: routes, error documents, and the life of what they share."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import (
    RequestValidationError,
    ValidationException,
    WebSocketRequestValidationError,
)
from fastapi.routing import APIWebSocketRoute, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from reference_stack.api import (
    alerts,
    audio,
    audit_routes,
    chat,
    dictation,
    documents,
    exchanges,
    faces,
    fhir_people,
    fhir_routes,
    health,
    images,
    login,
    logout,
    notes,
    patients,
    reports,
    search,
    staff,
    vital_signs,
)
from reference_stack.api.access import authorize
from reference_stack.api.audit_event import audit_key
from reference_stack.api.audit_middleware import AuditMiddleware
from reference_stack.api.audit_spool import Spool
from reference_stack.api.audit_trail import AuditTrail, AuditUnavailableError
from reference_stack.api.cache import LookupCache
from reference_stack.api.database import (
    Database,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    WriteOutcomeUnknownError,
)
from reference_stack.api.document_store import DocumentStore
from reference_stack.api.emergency import EmergencyPlaces
from reference_stack.api.inference_client import InferenceClient
from reference_stack.api.limits import RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.middleware import SiteMiddleware
from reference_stack.api.openapi import PROBLEM_RESPONSES, route_name
from reference_stack.api.passwords import PasswordVerifier
from reference_stack.api.permissions import PERMISSIONS, WEBSOCKET
from reference_stack.api.problems import (
    AUDIT_UNAVAILABLE,
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
from reference_stack.api.report_worker import ReportWorker
from reference_stack.api.services import Services
from reference_stack.api.sessions import Sessions
from reference_stack.api.settings import ApiSettings
from reference_stack.api.sockets import refuse
from reference_stack.api.status import status_router
from reference_stack.api.tokens import utc_now
from reference_stack.cache.client import CacheClient
from reference_stack.serving.leaving import client_gone
from reference_stack.web import mount_web

FAILURES: dict[type[Exception], ProblemKind] = {
    DatabaseUnavailableError: DATABASE_UNAVAILABLE,
    DatabaseReadOnlyError: READ_ONLY,
    WriteOutcomeUnknownError: OUTCOME_UNKNOWN,
    TimeoutError: OVERLOADED,
    AuditUnavailableError: AUDIT_UNAVAILABLE,
}

ROUTES = (
    login,
    faces,
    staff,
    logout,
    patients,
    notes,
    vital_signs,
    documents,
    images,
    search,
    reports,
    alerts,
    chat,
    exchanges,
    audio,
    dictation,
    fhir_people,
    fhir_routes,
    audit_routes,
    health,
)


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
    trail = AuditTrail(
        database,
        key=audit_key(settings.token_secret),
        spool=Spool(settings.audit_folder) if settings.audit_folder is not None else None,
        metrics=metrics,
        now=utc_now,
    )

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
            trail=trail,
            places=EmergencyPlaces(settings.emergency_users, metrics, watchers=settings.watchers),
        )
        worker = ReportWorker(services)
        app.state.services = services
        await database.open()
        await cache.start()
        await sessions.start()
        await trail.start()
        if settings.report_worker and settings.mode == "normal":
            worker.start()
        try:
            yield
        finally:
            await worker.close()
            await trail.close()
            await sessions.close()
            await cache.close()
            await database.close()
            await services.inference.close()
            await services.documents.close()
            services.passwords.close()

    app = FastAPI(
        title="Prontuário API",
        version="1",
        lifespan=lifespan,
        dependencies=[Depends(authorize)],
        responses=PROBLEM_RESPONSES,
        generate_unique_id_function=route_name,
    )
    # The last one added is the first to see a request: what is refused for want of a record has
    # the site's headers too.
    app.add_middleware(AuditMiddleware)
    app.add_middleware(SiteMiddleware, settings=settings, metrics=metrics)
    for module in ROUTES:
        app.include_router(module.router)
    app.include_router(status_router(settings))
    _demand_permissions(app)
    mount_web(app)
    _answer_errors_with_problems(app)
    return app


def _demand_permissions(app: FastAPI) -> None:
    """Refuse to start with a route that nobody decided about, or a line without its route."""
    described = app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
    routes |= {
        (WEBSOCKET, str(route.path))
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIWebSocketRoute)
    }
    if routes != PERMISSIONS.keys():
        odd = ", ".join(sorted(" ".join(route) for route in routes ^ PERMISSIONS.keys()))
        raise RuntimeError(f"routes and permissions.PERMISSIONS do not agree about: {odd}")


def _answer_errors_with_problems(app: FastAPI) -> None:
    def answering(kind: type[Exception], problem_of: Callable[[Any], ProblemError]) -> None:
        async def answer(connection: HTTPConnection, error: Exception) -> Any:
            problem = problem_of(error)
            if isinstance(connection, WebSocket):
                await refuse(connection, problem)
                return None
            response = problem_response(problem)
            if isinstance(error, HTTPException):
                response.headers.update(error.headers or {})
            return response

        app.add_exception_handler(kind, answer)

    async def nobody_listens(_request: Request, _error: Exception) -> Response:
        return client_gone()

    answering(ProblemError, lambda error: error)
    answering(RequestValidationError, _invalid)
    answering(WebSocketRequestValidationError, _invalid)
    answering(HTTPException, _of_the_framework)
    for failure, kind in FAILURES.items():
        answering(failure, partial(_failed, kind))
    app.add_exception_handler(ClientDisconnect, nobody_listens)


def _invalid(error: ValidationException) -> ProblemError:
    detail = "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
    )
    return ProblemError(INVALID_REQUEST, detail)


def _of_the_framework(error: HTTPException) -> ProblemError:
    """No such route, method not allowed, a body that is too large, too many of them at once."""
    if error.status_code == NOT_FOUND.status:
        return ProblemError(NOT_FOUND)
    if error.status_code == OVERLOADED.status:
        return ProblemError(OVERLOADED)
    return ProblemError(ProblemKind("about:blank", error.status_code, error.detail))


def _failed(kind: ProblemKind, error: Exception) -> ProblemError:
    return ProblemError(kind, str(error))
