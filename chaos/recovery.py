"""Watching clients come back while it happens."""

from __future__ import annotations

import time
from pathlib import Path

from chaos.measures import OPERATIONS, Operation, Recovery, recovery
from load.attempt import Attempt
from load.tables import RequestLog, requests_table

_LOOK_EVERY_S = 1.0
#: Attempts of the last seconds may still be in flight, where nobody can see how they end.
HINDSIGHT_S = 10.0


class RecoveryWatch:
    """Follows a load's request log from the moment a fault has landed."""

    def __init__(self, request_log: Path, landed_s: float) -> None:
        self._log = RequestLog(request_log)
        self._landed_s = landed_s
        self._attempts: list[Attempt] = []

    def wait(self, deadline_s: float) -> dict[Operation, Recovery]:
        """Wait until every recovery is settled, or CLOCK_MONOTONIC has reached ``deadline_s``."""
        while True:
            recoveries = self.look(time.monotonic() - HINDSIGHT_S)
            settled = all(recovery.settled for recovery in recoveries.values())
            if settled or time.monotonic() >= deadline_s:
                return recoveries
            time.sleep(_LOOK_EVERY_S)

    def look(self, until_s: float) -> dict[Operation, Recovery]:
        """Recoveries as far as they can be judged at ``until_s``."""
        self._attempts.extend(
            attempt for attempt in self._log.new_attempts() if attempt.finished_s >= self._landed_s
        )
        table = requests_table(self._attempts)
        return {name: recovery(table, name, self._landed_s, until_s) for name in OPERATIONS}
