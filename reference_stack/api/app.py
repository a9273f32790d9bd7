"""The API as an ASGI application: routes, error documents, and the life of what they share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from reference_stack import web
from reference_stack.api import (
    alerts,
    audit_routes,
    chat,
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
from reference_stack.api.permissions import PERMISSIONS
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
from reference_stack.api.status import status_router
from reference_stack.api.tokens import utc_now
from reference_stack.cache.client import CacheClient

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
    fhir_people,
    fhir_routes,
    audit_routes,
    health,
)
WEB_FOLDER = Path(web.__file__).parent / "static"


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
            places=EmergencyPlaces(settings.emergency_users, metrics),
        )
        worker = ReportWorker(services)
        app.state.services = services
        await database.open()
        await cache.start()
        await sessions.start()
        await trail.start()
        if settings.report_worker and settings.mode == "normal" and settings.documents_urls:
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
    _serve_web_client(app, settings.web_folder or WEB_FOLDER)
    _answer_errors_with_problems(app)
    return app


def _demand_permissions(app: FastAPI) -> None:
    """Refuse to start with a route that nobody decided about, or a line without its route."""
    described = app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
    if routes != PERMISSIONS.keys():
        odd = ", ".join(sorted(" ".join(route) for route in routes ^ PERMISSIONS.keys()))
        raise RuntimeError(f"routes and permissions.PERMISSIONS do not agree about: {odd}")


def _serve_web_client(app: FastAPI, folder: Path) -> None:
    if folder.is_dir():
        app.mount("/app", StaticFiles(directory=folder, html=True), name="web client")


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
