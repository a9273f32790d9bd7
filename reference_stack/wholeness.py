"""What keeps a stack from being whole: every part asked, in words for who can mend it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from reference_stack.bucket import health as bucket_health
from reference_stack.cache import health as cache_health
from reference_stack.database import health as database_health
from reference_stack.documents import health as documents_health
from reference_stack.edge import health as edge_health
from reference_stack.errors import StackError
from reference_stack.fallback import health as fallback_health
from reference_stack.models import health as models_health
from reference_stack.silence import Check, NotInTime, asked_again, unanswered

if TYPE_CHECKING:
    from reference_stack.handle import StackHandle

ANSWER_TIMEOUT_S: Final = 2.0
#: How long those who did not answer in time are asked again.
PATIENCE_S: Final = 15.0
_PARTS = (
    edge_health, database_health, bucket_health, documents_health, fallback_health, models_health,
)  # fmt: skip


def problems(handle: StackHandle, patience_s: float) -> list[str]:
    """See :meth:`reference_stack.handle.StackHandle.whole`."""
    off = _sites_off(handle)
    return off + asked_again(_checks(handle), 0.0 if off else patience_s)


def _sites_off(handle: StackHandle) -> list[str]:
    try:
        states = handle.status()
    except StackError as error:
        return [str(error)]
    return [
        f"{site}: the site is {status.state}"
        for site, status in states.items()
        if status.state != "running"
    ]


def _checks(handle: StackHandle) -> list[Check]:
    """Each asks one part, so that a late answer costs no more than its own question again."""
    design, addresses = handle.design, handle.addresses
    answering = [
        partial(_service_problems, handle, site, service)
        for service in ("api", "inference")
        for site in design.sites_with(service)
    ]
    return [
        partial(_replication_problems, handle),
        partial(_cloud_problems, handle),
        *answering,
        partial(_consensus_problems, handle),
        *(partial(part.problems, design, addresses) for part in _PARTS),
        partial(cache_health.problems, design, addresses, handle.secret("cache")),
    ]


def _service_problems(handle: StackHandle, site: str, service: str) -> list[str]:
    url = f"{handle.endpoint(site, service).url}/health"
    problem = unanswered(f"{site}: the {service}", url, ANSWER_TIMEOUT_S)
    return [] if problem is None else [problem]


def _replication_problems(handle: StackHandle) -> list[str]:
    words = {site: _no_to(handle, site, "/primary") for site in handle.hospital_sites}
    primary = next((site for site, word in words.items() if word is None), None)
    if primary is None:
        late = [word for word in words.values() if isinstance(word, NotInTime)]
        return ["no hospital site is seen to hold the primary database", *late]
    members = handle.patroni(primary).members()
    if not members:
        return [NotInTime(f"{primary}: Patroni did not tell its members in time")]
    found = []
    synchronous = handle.design.database.replication.startswith("synchronous")
    wanted = "sync_standby" if synchronous else "replica"
    for site in handle.hospital_sites:
        member = members.get(site, {})
        role, state = member.get("role"), member.get("state")
        if site != primary and (role != wanted or state != "streaming"):
            found.append(f"{site}: the database is {role} and {state}, not {wanted}")
    return found


def _cloud_problems(handle: StackHandle) -> list[str]:
    standby = handle.design.database.cloud_standby
    if standby is None or (no := _no_to(handle, standby.site, "/standby-leader")) is None:
        return []
    late = isinstance(no, NotInTime)
    return [no if late else f"{standby.site}: the standby cluster has no leader"]


def _no_to(handle: StackHandle, site: str, role: str) -> str | None:
    """None when the site's Patroni says that it has the role."""
    url = f"{handle.endpoint(site, 'patroni').url}{role}"
    return unanswered(f"{site}: Patroni", url, ANSWER_TIMEOUT_S)


def _consensus_problems(handle: StackHandle) -> list[str]:
    consensus = handle.design.database.consensus
    if consensus is None:
        return []
    etcd = handle.etcd()
    found = []
    for voter in consensus.voters:
        if not etcd.healthy(voter):
            what, url = f"{voter}: the etcd member", f"{handle.endpoint(voter, 'etcd').url}/health"
            found.append(unanswered(what, url, ANSWER_TIMEOUT_S) or f"{what} is not healthy")
    wanted, leader = consensus.preferred_leader, etcd.leader()
    if wanted is not None and leader is None and not found:
        found.append(NotInTime("no etcd member told its leader in time"))
    elif wanted is not None and leader != wanted:
        found.append(f"etcd's leader is on {leader}, not on {wanted}")
    return found
