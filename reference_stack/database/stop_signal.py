"""What Patroni runs before it stops PostgreSQL: begins the stop, and waits until it has its end.

Patroni 4 looks only once a second whether a stopping server has written its last record
(``STOP_POLLING_INTERVAL``), and never before the second second: in a planned switchover nobody can
write meanwhile. Here the same fast stop is ordered a moment earlier and looked at closely. When
Patroni looks for the first time, the control file says "shut down" already.

Nothing else changes. A server that takes longer is left to Patroni after ``LONGEST_S``, which then
ends it by its own rules; a second order to stop fast is the same order to PostgreSQL, and one to
stop at once overrules it. Sessions end with the first order, so that a primary that has lost its
lease takes no write in that time.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 0.02
LONGEST_S: Final = 2.0

#: ``$0`` is the data directory, ``$1`` pg_controldata. "shut down" and "shut down in recovery" are
#: ends, "shutting down" is none.
_SCRIPT: Final = (
    'read -r pid < "$0/postmaster.pid" && kill -INT "$pid" || exit 0; looks=0; '
    f'while [ "$looks" -lt {round(LONGEST_S / LOOK_EVERY_S)} ] && kill -0 "$pid" 2> /dev/null; do '
    'case "$("$1" -D "$0")" in *"cluster state: "*"shut down"*) exit 0 ;; esac; '
    f"looks=$((looks + 1)); sleep {LOOK_EVERY_S}; done"
)


def before_stop(data_directory: Path, programs: Path) -> str:
    """Patroni's ``postgresql.before_stop`` for a server; ``programs`` are PostgreSQL's."""
    control_data = str(programs / "pg_controldata")
    return shlex.join(["env", "LC_ALL=C", "sh", "-c", _SCRIPT, str(data_directory), control_data])
