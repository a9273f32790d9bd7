"""What a node accepted goes to the bucket, later: nothing waits for it, nothing is forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from reference_stack.documents.errors import (
    BucketUnreachableError,
    NotFoundError,
    UnavailableError,
)
from reference_stack.documents.node import DocumentNode
from reference_stack.documents.places import Bucket
from reference_stack.documents.records import VersionRecord

log = logging.getLogger("documents")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
IDLE_S = 2.0
#: How long the node that accepted a version is left to send it before the other one does.
OTHERS_GRACE_S = 10.0


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Outbox:
    """Sends what the bucket is not known to have, oldest first."""

    def __init__(
        self, node: DocumentNode, bucket: Bucket, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._node = node
        self._bucket = bucket
        self._now = now

    def waiting(self) -> list[VersionRecord]:
        """What is still to be sent, oldest first."""
        return sorted(self._node.catalogue.unsent(), key=lambda record: record.accepted_at)

    def due(self) -> list[VersionRecord]:
        """What this node is to send now: its own, and what the other has left lying."""
        now = self._now()
        return [
            record
            for record in self.waiting()
            if record.site == self._node.site
            # One of the future is of a clock that is ahead, and tells nothing of its age.
            or not 0 <= (now - record.accepted_at).total_seconds() < OTHERS_GRACE_S
        ]

    def oldest_s(self) -> float:
        """Age of the oldest version that waits; 0 when none does."""
        waiting = self.waiting()
        if not waiting:
            return 0.0
        return max(0.0, (self._now() - waiting[0].accepted_at).total_seconds())

    async def run(self) -> None:
        """Send until cancelled, at longer and longer pauses while the bucket does not answer."""
        pause_s = FIRST_PAUSE_S
        while True:
            self._node.accepted.clear()
            try:
                await self.send_all()
                pause_s = FIRST_PAUSE_S
            except BucketUnreachableError as error:
                log.warning("the bucket is away, next try in %.1f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            await self._anything_new()

    async def send_all(self) -> None:
        """Send everything that is due.

        Raises:
            BucketUnreachableError: when the bucket stops answering; the rest stays waiting.
        """
        clock = asyncio.get_running_loop().time
        for record in self.due():
            try:
                content = await self._node.content(record)
            except (NotFoundError, UnavailableError) as error:
                log.warning("%s can't be sent: %s", record.version_id, error)
                continue
            started = clock()
            await self._bucket.upload(record, content)
            self._node.catalogue.mark_sent(record)
            self._node.metrics.upload.observe(clock() - started)

    async def _anything_new(self) -> None:
        try:
            await asyncio.wait_for(self._node.accepted.wait(), IDLE_S)
        except TimeoutError:
            return
