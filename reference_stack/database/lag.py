"""Replication lag in seconds, as the primary itself knows it.

**Definition.** A standby's lag is the time between a commit's flush to the primary's disk and its
flush to the standby's disk (``flush_s``): what is older than that survives the loss of the primary.
``replay_s`` is the same until the standby shows it to readers. Both come from
``pg_stat_replication``, which times each piece of WAL by the standby's answers: no row is written
to measure it.

Three cases the view leaves open are filled in here:

- Nothing was written lately and the standby holds everything: PostgreSQL says NULL, the lag is 0.
- The standby lacks WAL and has gone silent: the view keeps the last figure for ever; the lag is at
  least the silence, which is longer than the interval at which a standby reports
  (``wal_receiver_status_interval``, 1 s here) only when it is in trouble.
- The standby is not connected: it is not in the view, and so not in the answer. *No row is no good
  news*: a caller must treat a missing standby as infinitely late.

With sparse writes ``replay_s`` may read up to ``wal_receiver_status_interval`` too much, because a
standby reports a replay that nobody waits for only then; ``flush_s`` has no such error.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

_LAG = """
SELECT application_name AS name,
       sync_state,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn)::bigint AS behind_bytes,
       GREATEST(COALESCE(extract(epoch FROM flush_lag), 0), flush_silence)::float8 AS flush_s,
       GREATEST(COALESCE(extract(epoch FROM replay_lag), 0), replay_silence)::float8 AS replay_s
FROM pg_stat_replication,
     LATERAL (SELECT extract(epoch FROM clock_timestamp() - reply_time) AS s) AS silence,
     LATERAL (SELECT CASE WHEN flush_lsn < pg_current_wal_flush_lsn() AND s > %(patience)s
                          THEN s ELSE 0 END AS flush_silence,
                     CASE WHEN replay_lsn < pg_current_wal_flush_lsn() AND s > %(patience)s
                          THEN s ELSE 0 END AS replay_silence) AS silences
WHERE state = 'streaming'
ORDER BY name
"""
#: Longer than a standby in good health is ever silent (``wal_receiver_status_interval`` is 1 s).
PATIENCE_S = 1.5


@dataclass(frozen=True)
class StandbyLag:
    """One streaming standby: its lags in seconds, and the bytes it has not flushed yet."""

    name: str
    sync_state: str
    behind_bytes: int
    flush_s: float
    replay_s: float


def standby_lags(connection: psycopg.Connection) -> tuple[StandbyLag, ...]:
    """The lag of every streaming standby, by the definition above.

    Args:
        connection: To the primary, as a superuser or a member of ``pg_monitor``.

    Raises:
        psycopg.Error: when the server is gone, or is a standby itself.
    """
    with connection.cursor(row_factory=class_row(StandbyLag)) as cursor:
        return tuple(cursor.execute(_LAG, {"patience": PATIENCE_S}).fetchall())


def replication_lag_s(dsn: str) -> dict[str, float]:
    """Seconds of ``flush_s`` by standby, sampled once on a connection of its own.

    Raises:
        psycopg.Error: when the primary at ``dsn`` can't be asked.
    """
    with psycopg.connect(dsn, autocommit=True, connect_timeout=2) as connection:
        return {lag.name: lag.flush_s for lag in standby_lags(connection)}
