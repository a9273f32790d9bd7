"""POST /v1/logout ends a session on every site; GET /v1/sessions says where one is logged in."""

from fastapi import APIRouter
from starlette.responses import Response

from reference_stack.api.auth import AuthenticatedToken
from reference_stack.api.models import SessionList
from reference_stack.api.rows import references_checked
from reference_stack.api.services import ServicesDependency

router = APIRouter()


@router.post("/v1/logout", status_code=204, response_class=Response)
async def logout(services: ServicesDependency, token: AuthenticatedToken) -> Response:
    """204 once the end of the session is as safe as a note; 503 while it can't be made so."""
    with references_checked(None):
        await services.sessions.revoke(token)
    services.places.leave(token.clinician.id)
    return Response(status_code=204)


@router.get("/v1/sessions")
async def sessions(services: ServicesDependency, token: AuthenticatedToken) -> SessionList:
    """The clinician's own sessions, the latest first; only this one while the cache is away."""
    return SessionList(items=await services.sessions.of(token))
