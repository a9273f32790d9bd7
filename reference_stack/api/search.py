"""GET /v1/search: full text over notes, in Portuguese, with or without accents."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from reference_stack.api.access import AccessDependency
from reference_stack.api.models import Document, StorableText
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.rows import Place, fetch_page
from reference_stack.api.services import ServicesDependency

router = APIRouter()

# What was typed is searched as typed and without accents, as the notes are kept (v0007); a match as
# typed counts twice. The rank is given out to six digits and paged by the same six. Only a page's
# notes are cut into excerpts.
SELECT: Final = """
WITH asked AS (
    SELECT websearch_to_tsquery('pg_catalog.portuguese', lower_text(%(query)s)) AS typed,
        websearch_to_tsquery('pg_catalog.portuguese', fold_name(%(query)s)) AS plain
), found AS (
    SELECT note.id, patient_id, author_id, recorded_at, text,
        round(
            (2 * ts_rank_cd(search, typed, 1) + ts_rank_cd(search, plain, 1))::numeric, 6
        )::float8 AS rank, typed || plain AS query
    FROM note, asked
    WHERE search @@ (typed || plain) AND (%(patient)s::uuid IS NULL OR patient_id = %(patient)s)
), page AS (
    SELECT * FROM found
    WHERE %(id)s::uuid IS NULL OR (rank, id) < (%(rank)s::float8, %(id)s::uuid)
    ORDER BY rank DESC, id DESC LIMIT %(limit)s
)
SELECT id, patient_id, author_id, recorded_at, rank,
    ts_headline('pg_catalog.portuguese', text, query,
        'StartSel=**, StopSel=**, MaxWords=30, MinWords=10, MaxFragments=2')
FROM page ORDER BY rank DESC, id DESC
"""
PLACE: Final[Place] = {"rank": (4, float), "id": (0, UUID)}


class Hit(Document):
    """A note that was found; ``excerpt`` has the words between two asterisks each."""

    note_id: UUID
    patient_id: UUID
    author_id: UUID
    recorded_at: datetime
    rank: float
    excerpt: str


class HitList(Document):
    items: list[Hit]


@router.get("/v1/search")
async def search(
    *,
    request: Request,
    services: ServicesDependency,
    access: AccessDependency,
    response: Response,
    q: Annotated[StorableText, Query(min_length=1, max_length=200)],
    patient_id: UUID | None = None,
    limit: LimitParameter = 20,
    cursor: CursorParameter = None,
) -> HitList:
    """Notes that hold the words of ``q`` in any of their forms, the best first.

    ``"two words"`` are looked for together, ``or`` and ``-word`` as in web searches.
    """
    if patient_id is not None:
        access.concerns(patient_id)
    rows, following = await fetch_page(
        services, SELECT, {"query": q, "patient": patient_id}, PLACE, cursor=cursor, limit=limit
    )
    access.concerns(*(row[1] for row in rows))
    link_next(request, response, following)
    fields = ("note_id", "patient_id", "author_id", "recorded_at", "rank", "excerpt")
    return HitList(items=[Hit(**dict(zip(fields, row, strict=True))) for row in rows])
