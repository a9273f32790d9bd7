"""Bearer tokens: signed, stateless, valid on every site that shares the secret."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reference_stack.api.problems import NOT_AUTHENTICATED, ProblemError
from reference_stack.api.services import ServicesDependency
from reference_stack.api.settings import ApiSettings

ALGORITHM = "HS256"
# Sites' clocks may differ by this much.
CLOCK_LEEWAY_S = 5

_bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class Clinician:
    """Who is asking, as the token tells it."""

    id: UUID
    name: str
    role: str


def issue_token(settings: ApiSettings, clinician: Clinician, now: datetime) -> str:
    """A token for `settings.token_lifetime_s` from `now` (aware)."""
    claims = {
        "sub": str(clinician.id),
        "name": clinician.name,
        "role": clinician.role,
        "iss": settings.site,
        "iat": now,
        "exp": now + timedelta(seconds=settings.token_lifetime_s),
    }
    return jwt.encode(claims, settings.token_secret, algorithm=ALGORITHM)


def read_token(settings: ApiSettings, token: str) -> Clinician:
    """The clinician of a valid token, whichever site issued it; raises `ProblemError` (401)."""
    try:
        claims = jwt.decode(
            token,
            settings.token_secret,
            algorithms=[ALGORITHM],
            leeway=CLOCK_LEEWAY_S,
            options={"require": ["sub", "name", "role", "exp"]},
        )
        return Clinician(UUID(claims["sub"]), claims["name"], claims["role"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise ProblemError(NOT_AUTHENTICATED, str(error)) from error


async def authenticate(
    services: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Clinician:
    """The route dependency that demands a bearer token."""
    if credentials is None:
        raise ProblemError(NOT_AUTHENTICATED, "send Authorization: Bearer <access_token>")
    return read_token(services.settings, credentials.credentials)


AuthenticatedClinician = Annotated[Clinician, Depends(authenticate)]


def utc_now() -> datetime:
    return datetime.now(UTC)
