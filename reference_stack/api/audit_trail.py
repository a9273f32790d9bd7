"""The audit trail's writer in one API process.

An access is answered only after its event is safe: in the database, on as many nodes as a note
would be, or (when the database can't take it within `PATIENCE_S`) on this node's own disk, from
where it follows as soon as the database is back. So a stalled replication or a failover neither
loses an event nor keeps a clinician from a patient. When neither can be had, the access is refused.

Events that wait are stored together, one transaction and one seal for all of them: requests do not
queue for each other's link in the hash chain. A write's event is stored by the write's own
transaction, and is sealed with the next batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeVar

from reference_stack.api.audit_event import FIELDS, INSERT, AuditEvent, signature_of
from reference_stack.api.audit_seal import Chain
from reference_stack.api.audit_spool import Spool, events_of
from reference_stack.api.connections import FailoverConnection
from reference_stack.api.database import (
    Database,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    WriteOutcomeUnknownError,
)
from reference_stack.api.metrics import Metrics

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: How long a request waits for the database to take its event before the disk does. B-17 gives a
#: request in an emergency 500 ms.
PATIENCE_S: Final = 0.25
#: Between two attempts to bring spooled events to the database, and between two idle batches.
PAUSE_S: Final = 0.5
#: The same while the database is a standby, which is promoted rarely and by decision.
STANDBY_PAUSE_S: Final = 2.0
#: Events of one transaction at most.
BATCH: Final = 500
#: Between two searches for events that a process which died left without a seal.
SWEEP_EVERY_S: Final = 60.0

AWAY = (DatabaseUnavailableError, DatabaseReadOnlyError, WriteOutcomeUnknownError)

#: Events without a seal that their own process had time enough to seal. Looked for since ten
#: minutes before this process's last search or, in its first, before the last seal of somebody
#: else: nothing older can be left.
ORPHANS: Final = f"""
WITH since AS (
    SELECT coalesce(
        %(swept_at)s::timestamptz,
        (SELECT max(sealed_at) FROM audit_seal WHERE chain <> %(chain)s),
        '-infinity'
    ) - interval '10 minutes' AS at
), sealed AS (
    SELECT unnest(members) AS id FROM audit_seal, since
    WHERE sealed_at >= since.at - interval '10 minutes'
)
SELECT {", ".join(f"e.{name}" for name in FIELDS)} FROM audit_event e, since
WHERE e.recorded_at >= least(since.at, now() - interval '10 minutes')
    AND e.recorded_at < now() - interval '30 seconds'
    AND NOT EXISTS (SELECT FROM sealed WHERE sealed.id = e.id)
ORDER BY e.recorded_at, e.id LIMIT {BATCH}
"""  # noqa: S608 - names of this program


class AuditUnavailableError(Exception):
    """An access can't be recorded anywhere, so it can't be given."""


class _Waiting:
    """An event on its way; `stored` is None when nobody waits for it."""

    def __init__(self, event: AuditEvent, stored: asyncio.Future[None] | None) -> None:
        self.event = event
        self.stored = stored


class AuditTrail:
    """Takes events from requests. Times come from ``now`` (aware)."""

    def __init__(
        self, database: Database, *, key: bytes, spool: Spool | None, metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._key = key
        self._chain = Chain(key)
        self._spool = spool
        self._metrics = metrics
        self._now = now
        self._queue: list[_Waiting] = []
        self._arrived = asyncio.Event()
        # Events of an earlier life on this disk are brought over first.
        self._spooled = spool is not None
        self._is_direct = True
        self._swept_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="audit-spool")

    async def start(self) -> None:
        """Start writing; returns at once."""
        self._task = asyncio.create_task(self._keep_writing(), name="audit-trail")

    async def close(self) -> None:
        """Store what waits, if the database takes it now, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(*AWAY):
            if self._queue:
                await self._flush()
        self._disk.shutdown(wait=True)

    async def append(self, event: AuditEvent) -> None:
        """Make an event safe; raises `AuditUnavailableError`."""
        if self._is_direct or self._spool is None:
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(_Waiting(event, stored))
            self._arrived.set()
            try:
                async with asyncio.timeout(None if self._spool is None else PATIENCE_S):
                    await stored
            except TimeoutError:
                self._is_direct = False
            except AWAY as error:
                if self._spool is None:
                    raise AuditUnavailableError(str(error)) from error
            else:
                return
        await self._to_disk(event)

    async def insert(self, connection: FailoverConnection, event: AuditEvent) -> None:
        """Store an event in the caller's own transaction; see `seal_later`."""
        await connection.execute(INSERT, event.row(self._key))

    def row(self, event: AuditEvent) -> tuple[object, ...]:
        """The event's values, in the order of `FIELDS`, for a statement of the caller's."""
        return event.row(self._key)

    def seal_later(self, event: AuditEvent) -> None:
        """Seal an event that its own transaction has stored."""
        self._queue.append(_Waiting(event, None))

    async def _to_disk(self, event: AuditEvent) -> None:
        if self._spool is None:
            raise AuditUnavailableError("no folder to keep audit events in")
        try:
            await self._on_disk(self._spool.append, event)
        except OSError as error:
            raise AuditUnavailableError(f"the disk does not take audit events: {error}") from error
        self._spooled = True
        self._metrics.audited("disk")

    async def _keep_writing(self) -> None:
        clock = asyncio.get_running_loop().time
        sweep_at = clock() + PAUSE_S
        while True:
            try:
                if self._spooled:
                    await self._ship()
                if self._queue:
                    await self._flush()
                if clock() >= sweep_at and self._is_direct:
                    sweep_at = clock() + SWEEP_EVERY_S
                    await self._sweep()
            except AWAY as error:
                logger.info("audit events wait: %s", error)
                self._is_direct = self._spool is None
                is_standby = isinstance(error, DatabaseReadOnlyError)
                await asyncio.sleep(STANDBY_PAUSE_S if is_standby else PAUSE_S)
                continue
            except Exception:
                # The trail must outlive a surprise; those who wait are told by their own time-out.
                logger.exception("audit trail")
                self._is_direct = self._spool is None
                await asyncio.sleep(PAUSE_S)
                continue
            self._is_direct = True
            await self._until_needed()

    async def _until_needed(self) -> None:
        """Until a request waits, or what nobody waits for has gathered for a while."""
        if any(waiting.stored is not None for waiting in self._queue):
            return
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_S):
                await self._arrived.wait()

    async def _flush(self) -> None:
        """Store and seal what waits; whoever waits is told, also that it failed."""
        batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
        try:
            await self._store([waiting.event for waiting in batch])
        except BaseException as error:
            for waiting in batch:
                if waiting.stored is None:
                    # In the database already; its seal is late.
                    self._queue.append(waiting)
                elif not waiting.stored.done():
                    failure = error if isinstance(error, AWAY) else _unavailable(error)
                    waiting.stored.set_exception(failure)
            raise
        for waiting in batch:
            if waiting.stored is not None:
                self._metrics.audited("database")
                if not waiting.stored.done():
                    waiting.stored.set_result(None)

    async def _ship(self) -> None:
        """Bring spooled events to the database."""
        if self._spool is None:
            return
        spool, shipped = self._spool, 0
        self._spooled = False
        try:
            while (path := await self._on_disk(spool.oldest)) is not None:
                batches = events_of(path, BATCH)
                while (events := await self._on_disk(next, batches, None)) is not None:
                    await self._store(events)
                    shipped += len(events)
                await self._on_disk(spool.discard, path)
        except BaseException:
            self._spooled = True
            raise
        if shipped:
            logger.warning("%d audit events were brought from the disk to the database", shipped)

    async def _on_disk(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Run what waits for the disk in the one thread that does so."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    async def _store(self, events: Sequence[AuditEvent]) -> None:
        now = self._now()
        try:
            sealed = await self._database.write(
                lambda connection: self._chain.store(connection, events, now), lane="background"
            )
        except BaseException as error:
            if not isinstance(error, DatabaseUnavailableError | DatabaseReadOnlyError):
                self._chain.begin_anew()
            raise
        self._chain.stored(sealed)

    async def _sweep(self) -> None:
        """Seal what a process that died left; an event without a good signature stays bare."""
        began = self._now()
        values = {"chain": self._chain.chain, "swept_at": self._swept_at}

        async def find(connection: FailoverConnection) -> list[tuple[object, ...]]:
            return await (await connection.execute(ORPHANS, values)).fetchall()

        try:
            rows = await self._database.read(find)
        except DatabaseUnavailableError as error:
            # Nobody waits for it, and it says nothing about whether events can be stored.
            logger.info("the search for events without a seal: %s", error)
            return
        found = [(AuditEvent.from_row(row), row) for row in rows]
        events = [event for event, row in found if self._is_genuine(event, row)]
        if events:
            logger.warning("%d audit events without a seal were found", len(events))
            await self._store(events)
        if len(rows) < BATCH:
            self._swept_at = began

    def _is_genuine(self, event: AuditEvent, row: tuple[object, ...]) -> bool:
        digest, signature = row[-2:]
        good = signature_of(self._key, event.digest)
        return (digest, signature) == (event.digest, good)


def _unavailable(error: BaseException) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(f"the audit trail failed: {error!r}")
