"""Bearer tokens: signed, stateless, valid on every site that shares the secret."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt

from reference_stack.api.problems import NOT_AUTHENTICATED, ProblemError
from reference_stack.api.settings import ApiSettings

ALGORITHM = "HS256"
# Sites' clocks may differ by this much.
CLOCK_LEEWAY_S = 5


@dataclass(frozen=True)
class Clinician:
    """Who is asking, as the token tells it.

    ``version`` counts the changes of the account that the token knows of: when the account has
    changed since, the token is refused, see `sessions`.
    """

    id: UUID
    name: str
    role: str
    version: int = 0


@dataclass(frozen=True)
class Token:
    """A token whose signature and age are right. `id` names the session it began."""

    id: UUID
    clinician: Clinician
    expires_at: datetime


def issue_token(settings: ApiSettings, clinician: Clinician, now: datetime) -> str:
    """A token for `settings.token_lifetime_s` from `now` (aware)."""
    claims = {
        "jti": str(uuid4()),
        "sub": str(clinician.id),
        "name": clinician.name,
        "role": clinician.role,
        "ver": clinician.version,
        "iss": settings.site,
        "iat": now,
        "exp": now + timedelta(seconds=settings.token_lifetime_s),
    }
    return jwt.encode(claims, settings.token_secret, algorithm=ALGORITHM)


def read_token(settings: ApiSettings, token: str) -> Token:
    """What a valid token says, whichever site issued it; raises `ProblemError` (401)."""
    try:
        claims = jwt.decode(
            token,
            settings.token_secret,
            algorithms=[ALGORITHM],
            leeway=CLOCK_LEEWAY_S,
            options={"require": ["jti", "sub", "name", "role", "exp"]},
        )
        who = UUID(claims["sub"])
        return Token(
            id=UUID(claims["jti"]),
            clinician=Clinician(who, claims["name"], claims["role"], claims.get("ver", 0)),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise ProblemError(NOT_AUTHENTICATED, str(error)) from error


def utc_now() -> datetime:
    return datetime.now(UTC)
