"""Commits that wait for a standby that is gone, and what becomes of their connections.

A commit waits for synchronous replication without end. Neither ``statement_timeout`` (switched off
while committing) nor ``client_connection_check_interval`` (not looked at while waiting) ends the
wait, and a client that hangs up is not noticed: in strict mode every write leaves its connection
behind, until ``max_connections`` are used up and look-ups fail too (doubt D-02).

The mend: a backend that has waited longer than any client waits for its answer is *terminated*. A
cancelled wait would answer "committed"; a terminated one answers nothing, so the outcome stays
unknown to the client, as it is (PostgreSQL, ``SyncRepWaitForLSN``). The row is then visible on the
primary. It is acknowledged by nobody: who sends the write again gets a commit, and so a wait, of
its own (see the API's notes).
"""

from __future__ import annotations

import psycopg

_TERMINATE = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE wait_event_type = 'IPC' AND wait_event = 'SyncRep' AND backend_type = 'client backend'
  AND usename <> current_user  -- an administrator may wait as long as he likes
  AND clock_timestamp() - query_start > %s * interval '1 second'
"""


def terminate_abandoned(connection: psycopg.Connection, waited_s: float) -> int:
    """End the backends that have waited for a standby for more than ``waited_s``; how many.

    Raises:
        psycopg.Error: when the server is gone.
    """
    row = connection.execute(_TERMINATE, (waited_s,)).fetchone()
    return int(row[0]) if row is not None else 0
