"""PostgreSQL is told to stop, and its end is seen, before Patroni looks for the first time."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from reference_stack.database.stop_signal import before_stop
from reference_stack.fallback.control_data import control_data
from tests.api.postgres_server import initialise, program, running
from tests.waiting import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

#: Longer than the stop is waited for, so that the server is seen between its end and its archive's.
SLOW_ARCHIVE = "archive_mode = on\narchive_command = 'sleep 6'\n"


def test_when_it_returns_the_server_has_written_its_last_record_but_need_not_be_gone(
    tmp_path: Path,
) -> None:
    data, programs = tmp_path / "pg", Path(program("pg_controldata")).parent
    initialise(data)
    with (data / "postgresql.conf").open("a") as file:
        file.write(SLOW_ARCHIVE)
    with running(data) as server:
        server.execute("CREATE TABLE entry (number int PRIMARY KEY)")
        command = shlex.split(before_stop(data, programs))

        def ended() -> bool:
            """At once, but on a machine so busy that a look is not enough."""
            assert subprocess.run(command, check=False, timeout=60).returncode == 0
            return control_data(data, programs)["Database cluster state"] == "shut down"

        wait_for(ended, "the last record")
        assert (data / "postmaster.pid").exists()


def test_without_a_server_there_is_nothing_to_stop(tmp_path: Path) -> None:
    command = shlex.split(before_stop(tmp_path, Path("/bin")))
    done = subprocess.run(command, check=False, timeout=60, stderr=subprocess.DEVNULL)
    assert done.returncode == 0
