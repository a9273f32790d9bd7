"""POST /v1/login: username and password for a bearer token.

Guesses are limited, see :mod:`reference_stack.api.limits`. An attempt is counted before the
password is looked at and taken back unless it was wrong: an outage must lock nobody out.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from reference_stack.api.access import Access, AccessDependency
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import ClinicianSummary, LoginAnswer, LoginRequest
from reference_stack.api.problems import BAD_CREDENTIALS, ProblemError
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import Clinician, issue_token, utc_now

router = APIRouter()

SELECT_CLINICIAN = """
SELECT id, name, role, version, active, password_hash FROM clinician WHERE username = %s
"""


@router.post("/v1/login")
async def login(
    credentials: LoginRequest,
    services: ServicesDependency,
    access: AccessDependency,
    request: Request,
) -> LoginAnswer:
    """Check the password; 401 for an unknown user, a closed account and a wrong password alike."""
    address = request.client.host if request.client is not None else ""
    attempt = await services.limits.begin_login(credentials.username, address)
    is_wrong = False
    try:
        clinician = await _find(credentials, services, access)
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


async def _find(credentials: LoginRequest, services: Services, access: Access) -> Clinician | None:
    """The clinician with this name and password whose account is open."""

    async def find(connection: FailoverConnection) -> tuple[Any, ...] | None:
        cursor = await connection.execute(SELECT_CLINICIAN, (credentials.username,))
        return await cursor.fetchone()

    # Not around the reading, which keeps a deadline of its own: a cancelled one would ask the
    # database to cancel it, and wait for that.
    row = await services.database.read(find)
    async with asyncio.timeout(services.settings.request_timeout_s):
        stored_hash = row[5] if row else None
        matches = await services.passwords.verify(stored_hash, credentials.password)
    if row is None or not matches:
        return None
    clinician = Clinician(*row[:4])
    if not row[4]:
        # Who has the right password of a closed account is known, and the trail shall say it.
        access.clinician = clinician
        return None
    return clinician
