"""The queue of work that is done after the answer: rows of a table, taken with SKIP LOCKED.

A job is taken for `LEASE_S`; when its worker dies, another takes it after that. Every attempt has
a number, and only the latest may finish the job: a worker that was thought dead changes nothing.
So a job is done once, though it may be tried more often. The rows are replicated like notes, so
the queue survives a failover.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from reference_stack.api.connections import FailoverConnection

LEASE_S: Final = 60
MAX_ATTEMPTS: Final = 8
#: After the first failure, doubled after each one more, at most a minute.
FIRST_PAUSE_S: Final = 1

CLAIM: Final = f"""
UPDATE job SET state = 'running', attempts = attempts + 1,
    due_at = clock_timestamp() + interval '{LEASE_S} seconds'
WHERE id = (
    SELECT id FROM job WHERE state IN ('queued', 'running') AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, patient_id, requested_by, attempts
"""  # noqa: S608 - a number of this module
FINISH: Final = """
UPDATE job SET state = 'done', document_id = %s, failure = NULL, finished_at = clock_timestamp()
WHERE id = %s AND state = 'running' AND attempts = %s
"""
PUT_OFF: Final = f"""
UPDATE job SET
    state = CASE WHEN attempts >= {MAX_ATTEMPTS} THEN 'failed' ELSE 'queued' END,
    finished_at = CASE WHEN attempts >= {MAX_ATTEMPTS} THEN clock_timestamp() END,
    due_at = clock_timestamp() + make_interval(secs => %s), failure = %s
WHERE id = %s AND state = 'running' AND attempts = %s
"""  # noqa: S608


class JobLostError(Exception):
    """Another worker has taken the job meanwhile, or has done it."""


@dataclass(frozen=True)
class Job:
    """A job in one attempt's hands."""

    id: UUID
    kind: str
    patient_id: UUID
    requested_by: UUID
    attempt: int


async def claim(connection: FailoverConnection) -> Job | None:
    """Take the job that is due for longest, if any."""
    row = await (await connection.execute(CLAIM)).fetchone()
    return Job(*row) if row is not None else None


async def finish(connection: FailoverConnection, job: Job, document_id: UUID) -> None:
    """Mark the job done, inside the transaction that stores its result.

    Raises `JobLostError`, which must undo that transaction.
    """
    cursor = await connection.execute(FINISH, (document_id, job.id, job.attempt))
    if cursor.rowcount != 1:
        raise JobLostError(f"job {job.id}, attempt {job.attempt}")


async def put_off(connection: FailoverConnection, job: Job, failure: str) -> None:
    """Have the job tried again later; after `MAX_ATTEMPTS` it has failed."""
    pause_s = min(60, FIRST_PAUSE_S * 2 ** (job.attempt - 1))
    await connection.execute(PUT_OFF, (pause_s, failure[:500], job.id, job.attempt))
