"""Every request's way in: the table of permissions is enforced, and the access takes shape.

`authorize` is a dependency of the whole application, so no route can forget it; a route without a
line in the table lets nobody in. What it found stays with the request as an `Access`, from which
the audit middleware makes the event.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar
from uuid import UUID, uuid4

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from reference_stack.api.audit_event import AuditEvent, new_event
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import WriteLane
from reference_stack.api.permissions import PERMISSIONS, Permission
from reference_stack.api.problems import (
    NOT_AUTHENTICATED,
    NOT_FOUND,
    NOT_PERMITTED,
    OFF_IN_EMERGENCY,
    ProblemError,
)
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.api.tokens import Clinician, Token, read_token, utc_now

Result = TypeVar("Result")

_bearer = HTTPBearer(auto_error=False)


@dataclass
class Access:
    """One request as the audit trail will tell it.

    `recorded` is set once the event of what was done is in the database, with what was done.
    """

    site: str
    permission: Permission
    route: str
    request_id: str
    clinician: Clinician | None = None
    token: Token | None = None
    recorded: bool = False
    _patients: dict[UUID, None] = field(default_factory=dict)

    def concerns(self, *patients: UUID) -> None:
        """Note whose data the answer holds, or the request asks for."""
        self._patients.update(dict.fromkeys(patients))

    def event(self, status: int, event_id: UUID | None = None) -> AuditEvent:
        """The access's event, answered with this HTTP status."""
        who = self.clinician
        return new_event(
            at=utc_now(), site=self.site, actor_id=who.id if who else None,
            actor_role=who.role if who else None, patients=tuple(self._patients),
            purpose=self.permission.purpose, route=self.route, status=status,
            request_id=self.request_id, event_id=event_id,
        )  # fmt: skip


async def authorize(
    connection: HTTPConnection,
    services: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Access:
    """Let the request in as far as the table of permissions goes.

    Raises `ProblemError`: 401 without a good token, 403 for another role, 429 for too many
    requests, 503 for what is off or full in an emergency.
    """
    scope = connection.scope
    path = getattr(scope.get("route"), "path", "")
    permission = PERMISSIONS.get((scope.get("method", ""), path))
    if permission is None:
        raise ProblemError(NOT_FOUND)
    access = Access(
        site=services.settings.site,
        permission=permission,
        route=f"{scope['method']} {path}",
        request_id=scope["state"]["request_id"],
    )
    in_emergency = services.settings.mode == "emergency"
    if permission.roles is not None:
        token = await _token(services, credentials, permission)
        access.clinician, access.token = token.clinician, token
    scope["state"]["access"] = access
    if (patient := _patient_of(scope["path_params"])) is not None:
        access.concerns(patient)
    if permission.roles is not None and token.clinician.role not in permission.roles:
        raise ProblemError(
            NOT_PERMITTED, f"{permission.purpose} is not for the role {token.clinician.role}"
        )
    if in_emergency and not permission.in_emergency:
        raise ProblemError(OFF_IN_EMERGENCY, f"{permission.purpose} is off: see /v1/status")
    if in_emergency and permission.roles is not None and not permission.unlimited:
        services.places.enter(token.clinician.id)
    return access


async def _token(
    services: Services, credentials: HTTPAuthorizationCredentials | None, permission: Permission
) -> Token:
    if credentials is None:
        raise ProblemError(NOT_AUTHENTICATED, "send Authorization: Bearer <access_token>")
    token = read_token(services.settings, credentials.credentials)
    await services.sessions.admit(token, unlimited=permission.unlimited)
    return token


def _patient_of(parameters: dict[str, object]) -> UUID | None:
    """The patient whom the path names; None also for what is no id, which is refused later."""
    try:
        return UUID(str(parameters["patient_id"]))
    except (KeyError, ValueError):
        return None


AccessDependency = Annotated[Access, Depends(authorize)]


async def authenticate_token(access: AccessDependency) -> Token:
    """The token of the request; every route that asks for it has roles in the table."""
    if access.token is None:
        raise ProblemError(NOT_AUTHENTICATED)
    return access.token


AuthenticatedToken = Annotated[Token, Depends(authenticate_token)]


async def authenticate(token: AuthenticatedToken) -> Clinician:
    """The clinician whose token came with the request."""
    return token.clinician


AuthenticatedClinician = Annotated[Clinician, Depends(authenticate)]


async def audited_write(
    services: Services,
    access: Access,
    operation: Callable[[FailoverConnection], Awaitable[Result]],
    *,
    status: int = 201,
    lane: WriteLane = "write",
) -> Result:
    """Run a writing operation and store its audit event in the same transaction.

    The operation may run twice, see `database.Database`.
    """
    event_id = uuid4()
    event: AuditEvent | None = None

    async def within(connection: FailoverConnection) -> Result:
        nonlocal event
        async with connection.transaction():
            result = await operation(connection)
            event = access.event(status, event_id)
            await services.trail.insert(connection, event)
        return result

    result = await services.database.write(within, lane=lane)
    if event is not None:
        note_recorded(services, access, event)
    return result


def note_recorded(services: Services, access: Access, event: AuditEvent) -> None:
    """The event is stored with what it tells of: it only needs its seal."""
    access.recorded = True
    services.trail.seal_later(event)
