"""How /v1/fhir answers: one resource or a page of them, with their tags, links and parameters."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import Query, Request
from starlette.responses import Response

from reference_stack.api.etags import content_response
from reference_stack.api.paging import next_url
from reference_stack.api.problems import INVALID_REQUEST, ProblemError
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


def bundle_response(
    request: Request, resources: Sequence[Resource], cursor: str | None, if_none_match: str
) -> Response:
    """A searchset with the addresses of this page and the next."""
    bundle = searchset(
        resources,
        self_url=f"{request.url.path}?{request.url.query}",
        next_url=next_url(request, cursor) if cursor is not None else None,
        base_url=f"{request.base_url}{PREFIX.removeprefix('/')}",
    )
    return resource_response(bundle, if_none_match)
