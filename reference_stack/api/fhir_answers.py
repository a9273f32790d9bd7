"""How /v1/fhir answers: one resource or a page of them, with their tags, links and parameters."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request
from starlette.responses import Response

from reference_stack.api.access import Access, AccessDependency
from reference_stack.api.etags import IfNoneMatch, content_response
from reference_stack.api.paging import CursorParameter, next_url
from reference_stack.api.problems import INVALID_REQUEST, ProblemError
from reference_stack.api.rows import Place, Row, fetch_page
from reference_stack.api.services import Services, ServicesDependency
from reference_stack.fhir.resources import MEDIA_TYPE, Resource, searchset

PREFIX: Final = "/v1/fhir"
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {MEDIA_TYPE: {}}, "description": "a FHIR R4 resource"}
}
Count = Annotated[int, Query(alias="_count", ge=1, le=100)]
PatientParameter = Annotated[
    str, Query(pattern=r"^(Patient/)?[0-9a-fA-F-]{36}$", description="id, or Patient/id")
]


def patient_id_of(text: str) -> UUID:
    """The patient that a search names; raises `ProblemError` (422)."""
    try:
        return UUID(text.removeprefix("Patient/"))
    except ValueError as error:
        raise ProblemError(INVALID_REQUEST, "patient: must be an id or Patient/id") from error


def resource_response(resource: Resource, if_none_match: str) -> Response:
    """One resource with its entity tag, or 304."""
    return content_response(orjson.dumps(resource), MEDIA_TYPE, if_none_match)


@dataclass(frozen=True)
class Search:
    """What every search has: who asks, for which page, and what the client has of it already."""

    request: Request
    services: Services
    access: Access
    count: int
    cursor: str | None
    if_none_match: str

    async def page(
        self, statement: str, values: Mapping[str, object], place: Place
    ) -> tuple[list[Row], str | None]:
        """The page that was asked for and the next one's cursor, see `rows.fetch_page`."""
        return await fetch_page(
            self.services, statement, values, place, cursor=self.cursor, limit=self.count
        )

    def answer(self, resources: Sequence[Resource], following: str | None) -> Response:
        """A searchset with the addresses of this page and the next."""
        request = self.request
        bundle = searchset(
            resources,
            self_url=f"{request.url.path}?{request.url.query}",
            next_url=next_url(request, following) if following is not None else None,
            base_url=f"{request.base_url}{PREFIX.removeprefix('/')}",
        )
        return resource_response(bundle, self.if_none_match)


def searching(default_count: int) -> Callable[..., Awaitable[Search]]:
    """The dependency of a search that gives so many resources a page unless it is told."""

    async def search(
        *,
        request: Request,
        services: ServicesDependency,
        access: AccessDependency,
        count: Count = default_count,
        cursor: CursorParameter = None,
        if_none_match: IfNoneMatch = "",
    ) -> Search:
        return Search(request, services, access, count, cursor, if_none_match)

    return search


ShortSearch = Annotated[Search, Depends(searching(20))]
LongSearch = Annotated[Search, Depends(searching(50))]
