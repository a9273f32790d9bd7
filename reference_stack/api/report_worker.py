"""Works on the queue of reports: one job at a time in each API process of the hospital.

The bytes are stored first, then document, report, job and audit event in one transaction. Each
attempt stores its bytes under a version of its own, so an attempt that was cut off leaves nothing
that could stand in the way of the next, and nothing that shows.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import orjson
from psycopg.types.json import Jsonb

from reference_stack.api import document_rows
from reference_stack.api.audit_event import new_event
from reference_stack.api.audit_trail import AWAY
from reference_stack.api.clinical_rows import columns
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.idempotency import FORGET
from reference_stack.api.jobs import MAX_ATTEMPTS, Job, JobLostError, claim, finish, put_off
from reference_stack.api.patient_facts import patient_facts
from reference_stack.api.problems import PATIENT_NOT_FOUND, ProblemError
from reference_stack.api.report_text import (
    CONTENT_TYPE,
    ReportSource,
    conclusion,
    report_text,
    report_title,
)
from reference_stack.api.services import Services
from reference_stack.api.tokens import Clinician, utc_now
from reference_stack.api.vital_signs import MOST_READINGS, SELECT_WINDOW, insights_of
from reference_stack.fhir.resources import DiagnosticReport, Observation

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
WINDOW_H: Final = 48
NOTES: Final = 20
FORGET_EVERY_S: Final = 3600.0

SELECT_PATIENT: Final = "SELECT resource::text, birth_date FROM patient WHERE id = %s"
SELECT_NOTES: Final = """
SELECT recorded_at, clinician.name, text FROM note JOIN clinician ON clinician.id = author_id
WHERE patient_id = %s ORDER BY recorded_at DESC, note.id LIMIT %s
"""
SELECT_ALERTS: Final = """
SELECT raised_at, priority, message FROM alert
WHERE patient_id = %s AND acknowledged_at IS NULL ORDER BY raised_at DESC, id LIMIT 20
"""
SELECT_TITLES: Final = """
SELECT title FROM document_version WHERE patient_id = %s ORDER BY recorded_at DESC, id LIMIT 50
"""
INSERT_REPORT: Final = f"""
INSERT INTO diagnostic_report ({columns(DiagnosticReport)})
VALUES (%s, %s, %s, 'patient-report', %s, %s, %s, %s, %s)
"""  # noqa: S608 - names of this program


class ReportWorker:
    """One task of the process; started after the services it works with."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin looking for work."""
        self._task = asyncio.create_task(self._keep_working(), name="report-worker")

    async def close(self) -> None:
        """Stop; a job in hand is taken again by another after its lease."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_working(self) -> None:
        clock = asyncio.get_running_loop().time
        forget_at = clock() + FORGET_EVERY_S
        while True:
            try:
                if clock() >= forget_at:
                    forget_at = clock() + FORGET_EVERY_S
                    await self._services.database.write(_forget, lane="background")
                while await self.work_once():
                    pass
            except AWAY as error:
                logger.info("reports wait: %s", error)
            except Exception:
                # The queue must outlive a surprise: the job's lease runs out, and its attempts.
                logger.exception("report worker")
            await asyncio.sleep(PAUSE_S)

    async def work_once(self) -> bool:
        """Take and do one job; false when none is due."""
        job = await self._services.database.write(claim, lane="background")
        if job is None:
            return False
        if job.attempt > MAX_ATTEMPTS:
            # Its workers died of it, or did not come to an end in time.
            await self._put_off(job, f"given up after {MAX_ATTEMPTS} attempts")
            return True
        try:
            await self._make(job)
        except JobLostError as error:
            logger.warning("done elsewhere: %s", error)
        except ProblemError as error:
            failure = str(error)
            logger.warning("report %s, attempt %d: %s", job.id, job.attempt, failure)
            await self._put_off(job, failure)
        return True

    async def _put_off(self, job: Job, failure: str) -> None:
        await self._services.database.write(
            lambda connection: put_off(connection, job, failure), lane="background"
        )

    async def _make(self, job: Job) -> None:
        services, now = self._services, utc_now()
        source = await services.database.read(
            lambda connection: read_source(connection, job.patient_id)
        )
        version_id = uuid5(job.id, str(job.attempt))
        receipt = await services.documents.put(
            job.id, version_id, report_text(source, now).encode(),
            content_type=CONTENT_TYPE, replaces=(),
        )  # fmt: skip
        author = Clinician(job.requested_by, "", "")
        event = new_event(
            at=now, site=services.settings.site, actor_id=job.requested_by, actor_role=None,
            patients=(job.patient_id,), purpose="report", route=f"JOB {job.kind}", status=200,
            request_id=str(job.id),
        )  # fmt: skip

        async def store(connection: FailoverConnection) -> None:
            async with connection.transaction():
                await finish(connection, job, job.id)
                await document_rows.insert_version(
                    connection, receipt.record, patient_id=job.patient_id, author=author,
                    title=report_title(source),
                )  # fmt: skip
                result = source.insights.model_dump(mode="json")
                await connection.execute(
                    INSERT_REPORT.encode(),
                    (
                        *(job.id, job.patient_id, job.requested_by, job.id, version_id),
                        *(Jsonb(result), conclusion(source), now),
                    ),
                )
                await services.trail.insert(connection, event)

        await services.database.write(store, lane="background")
        services.trail.seal_later(event)


async def read_source(connection: FailoverConnection, patient_id: UUID) -> ReportSource:
    """All that a report tells of a patient; raises `ProblemError` (404)."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = await (await connection.execute(SELECT_PATIENT, (patient_id,))).fetchone()
        if row is None:
            raise ProblemError(PATIENT_NOT_FOUND, f"no patient {patient_id}")
        now = utc_now()

        async def rows(statement: str, *values: object) -> list[tuple[Any, ...]]:
            return await (await connection.execute(statement.encode(), values)).fetchall()

        since = now - timedelta(hours=WINDOW_H)
        readings = [
            Observation(*values)
            for values in await rows(SELECT_WINDOW, patient_id, since, MOST_READINGS)
        ]
        resource = orjson.loads(row[0])
        return ReportSource(
            resource=resource,
            facts=patient_facts(resource),
            insights=await asyncio.to_thread(
                insights_of, patient_id, readings, row[1], now, WINDOW_H
            ),
            notes=[
                (at, name, text) for at, name, text in await rows(SELECT_NOTES, patient_id, NOTES)
            ],
            alerts=[(at, kind, text) for at, kind, text in await rows(SELECT_ALERTS, patient_id)],
            documents=[title for (title,) in await rows(SELECT_TITLES, patient_id)],
        )


async def _forget(connection: FailoverConnection) -> None:
    await connection.execute(FORGET)
