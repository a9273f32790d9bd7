"""POST /v1/login: username and password for a bearer token."""

import asyncio
from uuid import UUID

from fastapi import APIRouter

from reference_stack.api.auth import Clinician, issue_token, utc_now
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.models import ClinicianSummary, LoginAnswer, LoginRequest
from reference_stack.api.problems import BAD_CREDENTIALS, ProblemError
from reference_stack.api.services import ServicesDependency

router = APIRouter()

SELECT_CLINICIAN = "SELECT id, name, role, password_hash FROM clinician WHERE username = %s"


@router.post("/v1/login")
async def login(credentials: LoginRequest, services: ServicesDependency) -> LoginAnswer:
    """Check the password; 401 for an unknown user and for a wrong password alike."""

    async def find(connection: FailoverConnection) -> tuple[UUID, str, str, str] | None:
        cursor = await connection.execute(SELECT_CLINICIAN, (credentials.username,))
        return await cursor.fetchone()

    settings = services.settings
    async with asyncio.timeout(settings.request_timeout_s):
        row = await services.database.read(find)
        stored_hash = row[3] if row else None
        matches = await services.passwords.verify(stored_hash, credentials.password)
    if row is None or not matches:
        raise ProblemError(BAD_CREDENTIALS)
    clinician = Clinician(*row[:3])
    return LoginAnswer(
        access_token=issue_token(settings, clinician, utc_now()),
        expires_in=settings.token_lifetime_s,
        clinician=ClinicianSummary(id=clinician.id, name=clinician.name, role=clinician.role),
    )
