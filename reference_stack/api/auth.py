"""The route dependency that demands a bearer token of a session that was not logged out."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reference_stack.api.problems import NOT_AUTHENTICATED, ProblemError
from reference_stack.api.services import ServicesDependency
from reference_stack.api.tokens import Clinician, Token, issue_token, read_token, utc_now

__all__ = [
    "AuthenticatedClinician",
    "AuthenticatedToken",
    "Clinician",
    "Token",
    "authenticate",
    "authenticate_token",
    "issue_token",
    "read_token",
    "utc_now",
]

_bearer = HTTPBearer(auto_error=False)


async def authenticate_token(
    services: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Token:
    """Raises `ProblemError`: 401 without a good token, 429 for too many requests."""
    if credentials is None:
        raise ProblemError(NOT_AUTHENTICATED, "send Authorization: Bearer <access_token>")
    token = read_token(services.settings, credentials.credentials)
    await services.sessions.admit(token)
    return token


AuthenticatedToken = Annotated[Token, Depends(authenticate_token)]


async def authenticate(token: AuthenticatedToken) -> Clinician:
    """The clinician whose token came with the request."""
    return token.clinician


AuthenticatedClinician = Annotated[Clinician, Depends(authenticate)]
