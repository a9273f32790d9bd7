"""/v1/clinicians: the accounts, and how an administrator changes or closes one.

What was changed holds at once for log-ins, and within a second or two for tokens that were given
out before, on every site: see `sessions`.
"""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from reference_stack.api.connections import FailoverConnection
from reference_stack.api.etags import IfMatch, require_match, version_etag
from reference_stack.api.idempotency import StoredAnswer, WriteDependency
from reference_stack.api.models import Document
from reference_stack.api.paging import CursorParameter, LimitParameter, link_next
from reference_stack.api.permissions import Role
from reference_stack.api.problems import (
    CLINICIAN_NOT_FOUND,
    NOT_PERMITTED,
    OWN_ACCOUNT,
    ProblemError,
)
from reference_stack.api.rows import Place, fetch_page
from reference_stack.api.services import ServicesDependency

router = APIRouter()

_ACCOUNT: Final = """
SELECT clinician.id, username, name, role, clinician_face.clinician_id IS NOT NULL, active, version
FROM clinician LEFT JOIN clinician_face ON clinician_face.clinician_id = clinician.id
"""
SELECT_STAFF: Final = f"""
{_ACCOUNT} WHERE %(after)s::text IS NULL OR username > %(after)s ORDER BY username LIMIT %(limit)s
"""
PLACE: Final[Place] = {"after": (1, str)}
SELECT_ONE: Final = f"{_ACCOUNT} WHERE clinician.id = %s"
# By id, so that two administrators who change each other wait for one another and then see it.
LOCK: Final = """
SELECT id, role, active, version FROM clinician WHERE id IN (%s, %s)
ORDER BY id FOR NO KEY UPDATE
"""
CHANGE: Final = """
UPDATE clinician SET role = coalesce(%s, role), active = coalesce(%s, active) WHERE id = %s
"""


class StaffMember(Document):
    """An account; ``version`` is the number in its ``ETag``."""

    id: UUID
    username: str
    name: str
    role: str
    has_face: bool
    active: bool
    version: int


class StaffList(Document):
    items: list[StaffMember]


class AccountPatch(Document):
    """What is to be changed; what is left out stays. An account that is not active is closed."""

    role: Role | None = Field(default=None, description="what the clinician may do from now on")
    active: bool | None = None

    @model_validator(mode="after")
    def _something_changes(self) -> "AccountPatch":
        if self.role is None and self.active is None:
            raise ValueError("role or active is needed")
        return self

    def told(self) -> str:
        """The change as the audit trail tells it: ``role=nurse active=false``."""
        role = [f"role={self.role}"] if self.role is not None else []
        active = [f"active={str(self.active).lower()}"] if self.active is not None else []
        return " ".join([*role, *active])


def _member(row: tuple[Any, ...]) -> StaffMember:
    return StaffMember(**dict(zip(StaffMember.model_fields, row, strict=True)))


@router.get("/v1/clinicians")
async def staff(
    request: Request,
    services: ServicesDependency,
    response: Response,
    limit: LimitParameter = 50,
    cursor: CursorParameter = None,
) -> StaffList:
    """Who has an account, by username, and who can log in by face."""
    rows, following = await fetch_page(
        services, SELECT_STAFF, {}, PLACE, cursor=cursor, limit=limit
    )
    link_next(request, response, following)
    return StaffList(items=[_member(row) for row in rows])


@router.patch("/v1/clinicians/{clinician_id}", response_model=StaffMember)
async def change_account(
    clinician_id: UUID,
    patch: AccountPatch,
    write: WriteDependency,
    if_match: IfMatch = "",
) -> Response:
    """Give a clinician another role, close an account or open it again.

    ``If-Match`` names the version that was read. Nobody changes the own account, so the last
    administrator stays.
    """
    administrator = write.clinician
    write.access.route = f"{write.access.route} {patch.told()}"

    async def change(connection: FailoverConnection) -> StoredAnswer:
        cursor = await connection.execute(LOCK, (administrator.id, clinician_id))
        accounts = {row[0]: row[1:] for row in await cursor.fetchall()}
        # The token may be a second older than what became of its own account.
        if accounts.get(administrator.id, ())[:2] != ("administrator", True):
            raise ProblemError(NOT_PERMITTED, "you are no administrator any more")
        if clinician_id == administrator.id:
            raise ProblemError(OWN_ACCOUNT)
        if clinician_id not in accounts:
            raise ProblemError(CLINICIAN_NOT_FOUND, f"no clinician {clinician_id}")
        require_match(if_match, version_etag(accounts[clinician_id][2]))
        await connection.execute(CHANGE, (patch.role, patch.active, clinician_id))
        row = await (await connection.execute(SELECT_ONE.encode(), (clinician_id,))).fetchone()
        if row is None:
            raise ProblemError(CLINICIAN_NOT_FOUND)
        changed = _member(row)
        return StoredAnswer(
            changed.model_dump_json().encode(), 200,
            headers={"ETag": version_etag(changed.version)},
        )  # fmt: skip

    return await write.once(change, content=patch.model_dump_json().encode())
