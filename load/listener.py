"""Records what clinicians see: a row an attempt, a row a note.

Each attempt is appended to ``requests.jsonl`` as it ends, so that an experiment can watch recovery
while it happens and nothing is lost with the process. When the load ends, however it ends (run
time, SIGTERM, SIGINT), the log becomes two Parquet tables. All times are seconds of
CLOCK_MONOTONIC.

``requests``: one row an attempt.

==============  ===================================================================================
request_id      the same for all attempts of one intended request; for a note it is the client id
user            number of the user, from 0; a probe comes after the clinicians
journey         name of the journey in the design's workload; PROBE for a synthetic request
operation       login, lookup, note or chat
attempt         1 for the first try, then 2, 3, …
intended_s      when the user would have sent it: the end of the think time, also for retries
sent_s          when this attempt was sent
first_byte_s    when the answer's headers had arrived, for a chat its first token; NaN if never
finished_s      when the attempt ended: whole answer, error or time-out
outcome         ok; refused: a clear no; unknown: sent, no certain answer; failed: never sent
status          HTTP status, 0 without an answer
site            X-Prontuario-Site of the answer, or empty
mode            X-Prontuario-Mode of the answer, or empty
tokens          answer tokens of a chat, else 0
error           what went wrong, in words; ``stopped``: the load itself cut the attempt off
endpoint        HOST:PORT of the way in it was sent to, empty when it was never sent
==============  ===================================================================================

``ledger``: one row a note, however often it was tried.

==============  ===================================================================================
client_id       the note's Idempotency-Key
writer          number of the user
sequence        1, 2, … in the writer's own order
intended_s      as above
sent_s          when its first attempt was sent
acknowledged_s  when the first acknowledgement had arrived; NaN if none did
outcome         acknowledged; unknown: may have been stored; refused: never accepted
found           whether it was read back from the database; missing as long as nobody has read
==============  ===================================================================================
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from load.attempt import Attempt
from load.settings import REQUEST_LOG
from load.tables import write_tables


class Listener:
    """Writes the request log into ``folder``, and the tables when it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / REQUEST_LOG).open("ab", buffering=0)

    def record(self, attempt: Attempt) -> None:
        """Append one attempt, in one write, so that a reader never sees half a row for long."""
        self._log.write(json.dumps(asdict(attempt)).encode() + b"\n")

    def close(self) -> None:
        """End the log and write both tables; a second call changes nothing."""
        if not self._log.closed:
            self._log.close()
            write_tables(self._folder / REQUEST_LOG, self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()
