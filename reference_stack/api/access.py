"""Every request's way in: the table of permissions is enforced, and the access takes shape.

`authorize` is a dependency of the whole application, so no route can forget it; a route without a
line in the table lets nobody in. What it found stays with the request as an `Access`, from which
the audit middleware makes the event.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar
from uuid import UUID, uuid4

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.requests import HTTPConnection

from reference_stack.api.audit_event import AuditEvent, new_event
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import WriteLane
from reference_stack.api.permissions import PERMISSIONS, WEBSOCKET, Permission
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

#: A browser can set no header on a WebSocket, but name subprotocols: one is this with the token.
TOKEN_SUBPROTOCOL: Final = "bearer."  # noqa: S105 - where a token follows, no token


class _Bearer(HTTPBearer):
    """The token of the ``Authorization`` header, or of a WebSocket's subprotocols."""

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() == "bearer" and token:
            return HTTPAuthorizationCredentials(scheme=scheme, credentials=token)
        for name in request.scope.get("subprotocols", []):
            if name.startswith(TOKEN_SUBPROTOCOL):
                token = name.removeprefix(TOKEN_SUBPROTOCOL)
                return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
        return None


_bearer = _Bearer(auto_error=False, scheme_name="HTTPBearer")


@dataclass
class Access:
    """One request as the audit trail will tell it; `recorded` once the trail has its event."""

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
    method = scope.get("method", WEBSOCKET)
    permission = PERMISSIONS.get((method, path))
    if permission is None:
        raise ProblemError(NOT_FOUND)
    access = Access(
        site=services.settings.site,
        permission=permission,
        route=f"{method} {_told(path, scope['path_params'])}",
        request_id=scope["state"]["request_id"],
    )
    in_emergency = services.settings.mode == "emergency"
    if permission.roles is not None:
        token = await _token(services, credentials, permission)
        access.clinician, access.token = token.clinician, token
    scope["state"]["access"] = access
    if (patient := _id_of(scope["path_params"], "patient_id")) is not None:
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


def _told(path: str, parameters: dict[str, object]) -> str:
    """The route's template, with the clinician whose account it is about: patients stand apart.

    Nothing but an id is put in: the address may hold what the database can't store.
    """
    clinician = _id_of(parameters, "clinician_id")
    return path if clinician is None else path.replace("{clinician_id}", str(clinician))


def _id_of(parameters: dict[str, object], name: str) -> UUID | None:
    """Whom the path names; None also for what is no id, which is refused later."""
    try:
        return UUID(str(parameters[name]))
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
    status_of: Callable[[Result], int],
    lane: WriteLane = "write",
) -> Result:
    """Run a writing operation and store its audit event in the same transaction.

    ``status_of`` gives the HTTP status that the operation's result is answered with. The operation
    may run twice, see `database.Database`.
    """
    event_id = uuid4()
    event: AuditEvent | None = None

    async def within(connection: FailoverConnection) -> Result:
        nonlocal event
        async with connection.transaction():
            result = await operation(connection)
            event = access.event(status_of(result), event_id)
            await services.trail.insert(connection, event)
        return result

    result = await services.database.write(within, lane=lane)
    if event is not None:
        note_recorded(services, access, event)
    return result


async def record(services: Services, access: Access, status: int) -> None:
    """Make the event of an access safe, unless it is; raises `AuditUnavailableError`."""
    if access.permission.audited and not access.recorded:
        await services.trail.append(access.event(status))
        access.recorded = True


def note_recorded(services: Services, access: Access, event: AuditEvent) -> None:
    """The event is stored with what it tells of: it only needs its seal."""
    access.recorded = True
    services.trail.seal_later(event)
