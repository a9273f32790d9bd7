"""POST /v1/login: username and password for a bearer token.

Guesses are limited, see :mod:`reference_stack.api.limits`. An attempt is counted before the
password is looked at and taken back unless it was wrong: an outage must lock nobody out.
"""

import asyncio
from uuid import UUID

from fastapi import APIRouter, Request

from reference_stack.api.access import Access, AccessDependency
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import ClinicianSummary, LoginAnswer, LoginRequest
from reference_stack.api.problems import BAD_CREDENTIALS, ProblemError
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import Clinician, issue_token, utc_now

router = APIRouter()

SELECT_CLINICIAN = "SELECT id, name, role, password_hash FROM clinician WHERE username = %s"


@router.post("/v1/login")
async def login(
    credentials: LoginRequest,
    services: ServicesDependency,
    access: AccessDependency,
    request: Request,
) -> LoginAnswer:
    """Check the password; 401 for an unknown user and for a wrong password alike."""
    address = request.client.host if request.client is not None else ""
    attempt = await services.limits.begin_login(credentials.username, address)
    is_wrong = False
    try:
        clinician = await _find(credentials, services)
        is_wrong = clinician is None
    finally:
        await (attempt.was_wrong() if is_wrong else attempt.take_back())
    if clinician is None:
        raise ProblemError(BAD_CREDENTIALS)
    return login_answer(services, access, clinician)


def login_answer(services: Services, access: Access, clinician: Clinician) -> LoginAnswer:
    """A new session's token; the audit trail learns whose it is."""
    access.clinician = clinician
    settings = services.settings
    return LoginAnswer(
        access_token=issue_token(settings, clinician, utc_now()),
        expires_in=settings.token_lifetime_s,
        clinician=ClinicianSummary(id=clinician.id, name=clinician.name, role=clinician.role),
    )


async def _find(credentials: LoginRequest, services: Services) -> Clinician | None:
    """The clinician with this name and password."""

    async def find(connection: FailoverConnection) -> tuple[UUID, str, str, str] | None:
        cursor = await connection.execute(SELECT_CLINICIAN, (credentials.username,))
        return await cursor.fetchone()

    async with asyncio.timeout(services.settings.request_timeout_s):
        row = await services.database.read(find)
        stored_hash = row[3] if row else None
        matches = await services.passwords.verify(stored_hash, credentials.password)
    return Clinician(*row[:3]) if row is not None and matches else None
