"""A synchronous standby that is gone, and the commits that wait for it.

PostgreSQL believes in a standby that has fallen silent for ``wal_sender_timeout``, and Patroni
looks only every ``loop_wait`` whether one is left: with 10 s each, writes stand still up to 20 s
when the *standby* dies (doubt D-02). A standby in good health reports every
``wal_receiver_status_interval`` (1 s here), so its silence is news much earlier. Then its
connection is ended, and Patroni is told to look at once. Whether commits go on without a standby
stays Patroni's decision: it writes down first that this one is no longer fit to be promoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
import psycopg

from reference_stack import plain_http

#: Five reports left out. A standby that comes back after less has lost nothing.
SILENCE_S: Final = 5.0
#: How long a standby's connection may be away before Patroni is asked to look: it may be back by
#: itself, after a restart of its WAL receiver.
AWAY_S: Final = 3.0

#: A look that comes later than that says nothing of the time between: this process was held up,
#: and the reports may lie unread.
LOOK_S: Final = 1.5
#: ``reply_time`` is by the *standby's* clock, which may be hours off: it only tells one report from
#: another.
_REPORTS = """
SELECT pid, reply_time::text FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')
"""
_END = "SELECT count(pg_terminate_backend(pid)) FROM unnest(%s::int[]) AS pid"
# '*' is what Patroni sets when it must not go on without a standby (strict mode).
_WAITED_FOR_IN_VAIN = """
SELECT current_setting('synchronous_standby_names') NOT IN ('', '*')
   AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))
"""


class Reports:
    """How long synchronous standbys have been silent, by their reports; times are of any steady
    clock, in seconds."""

    def __init__(self) -> None:
        self._last: dict[int, str | None] = {}
        self._quiet_s: dict[int, float] = {}
        self._looked_s: float | None = None

    def silent(
        self, reports: Mapping[int, str | None], now_s: float, silence_s: float = SILENCE_S
    ) -> list[int]:
        """Who has been silent for longer than ``silence_s``.

        Args:
            reports: What marks the latest report of each, by the process that serves it.
            now_s: When they were looked at.
            silence_s: A report is taken to have come right after the look before it was seen.
        """
        before_s = now_s if self._looked_s is None else self._looked_s
        passed_s = min(now_s - before_s, LOOK_S)
        self._quiet_s = {
            pid: passed_s + (self._quiet_s[pid] if self._last.get(pid) == mark else 0.0)
            if pid in self._last
            else 0.0
            for pid, mark in reports.items()
        }
        self._last, self._looked_s = dict(reports), now_s
        return [pid for pid, quiet_s in self._quiet_s.items() if quiet_s > silence_s]


def end_silent(
    connection: psycopg.Connection, reports: Reports, now_s: float, silence_s: float = SILENCE_S
) -> int:
    """End the connections of synchronous standbys silent for longer than that; how many.

    Raises:
        psycopg.Error: when the server is gone, or is a standby itself.
    """
    rows = connection.execute(_REPORTS).fetchall()
    silent = reports.silent(dict(rows), now_s, silence_s)
    if not silent:
        return 0
    row = connection.execute(_END, (silent,)).fetchone()
    return int(row[0]) if row is not None else 0


def waited_for_in_vain(connection: psycopg.Connection) -> bool:
    """Whether commits wait for a synchronous standby while none is connected.

    Raises:
        psycopg.Error: when the server is gone.
    """
    row = connection.execute(_WAITED_FOR_IN_VAIN).fetchone()
    return row is not None and bool(row[0])


def look_now(patroni_url: str, loop_wait_s: float) -> bool:
    """Have Patroni look at its cluster at once; whether it heard.

    Patroni does so whenever its configuration is patched, also to what it is already.
    """
    try:
        answer = plain_http.patch(
            f"{patroni_url}/config", json={"loop_wait": loop_wait_s}, timeout=1.0
        )
    except httpx.HTTPError:
        return False
    return answer.is_success


class MissingStandby:
    """How long commits have had no standby to wait for; times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._sure = False

    def ended(self) -> None:
        """Its silent connection was ended: it is not merely reconnecting."""
        self._sure = True

    def due(self, *, missing: bool, now_s: float) -> bool:
        """Whether Patroni should look now."""
        if not missing:
            self._since_s, self._sure = None, False
            return False
        if self._since_s is None:
            self._since_s = now_s
        return self._sure or now_s - self._since_s >= AWAY_S
