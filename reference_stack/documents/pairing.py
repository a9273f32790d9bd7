"""Whether an acknowledgement means both nodes, and the journal of when it did not."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

log = logging.getLogger("documents")

JOURNAL = "pairing.jsonl"

State = Literal["alone", "catching-up", "degraded", "paired"]


class Pairing:
    """This node's view of its pair.

    ``paired``: each document is acknowledged by both nodes. ``catching-up``: the other node answers
    and is being brought up to date; new documents go to both. ``degraded``: the other node is lost;
    documents are acknowledged by one. ``alone``: the design has no second node.

    Each change is in the journal, on the disk, before anything is acknowledged under it.
    """

    def __init__(
        self, root: Path, *, has_peer: bool, now: Callable[[], datetime]
    ) -> None:  # fmt: skip
        self._journal = root / JOURNAL
        self._now = now
        self.epoch = 0
        self.state: State = "alone"
        self.since = now()
        # What the pair was before this start counts for nothing: the other may have gone on alone.
        self._enter("catching-up" if has_peer else "alone", "started")

    def declare_degraded(self, reason: str) -> None:
        """From now on one copy is enough; returns when that is on the disk."""
        if self.state != "degraded":
            self._enter("degraded", reason)

    def begin_catching_up(self) -> int:
        """The other node answers again; returns the epoch for :meth:`confirm`."""
        if self.state == "degraded":
            self._enter("catching-up", "the other node answers")
        return self.epoch

    def confirm(self, epoch: int) -> bool:
        """Both hold the same; False when the pair fell apart again since ``epoch``."""
        if self.epoch != epoch:
            return False
        if self.state == "catching-up":
            self._enter("paired", "both nodes hold the same documents")
        return self.state == "paired"

    def _enter(self, state: State, reason: str) -> None:
        at = self._now()
        self._append(json.dumps({"at": at.isoformat(), "state": state, "reason": reason}))
        self.state, self.since = state, at
        self.epoch += 1
        log.warning("pair is %s: %s", state, reason)

    def _append(self, line: str) -> None:
        """Write a line durably, or nothing of it: a full disk takes what there is room for."""
        descriptor = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size_bytes, left = os.fstat(descriptor).st_size, line.encode() + b"\n"
            try:
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size_bytes)
                raise
        finally:
            os.close(descriptor)
