"""The lag a server tells of itself, asked of a real PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from reference_stack.monitoring.exporters import queries_document
from tests.api.postgres_server import PostgresServer, initialise, running

pytestmark = pytest.mark.servers


def lag_s(server: PostgresServer) -> float:
    with psycopg.connect(server.url()) as connection:
        ((lag,),) = connection.execute(queries_document()["pg_replication"]["query"]).fetchall()
    return float(lag)


def test_a_primary_is_not_behind_and_a_standby_that_never_heard_of_one_is_as_old_as_itself(
    tmp_path: Path,
) -> None:
    """A standby that starts while its primary is away has replayed nothing: it is not in step."""
    folder = tmp_path / "pg"
    initialise(folder)
    with running(folder) as server:
        assert lag_s(server) == 0
        server.stop()
        (folder / "standby.signal").touch()
        before = time.monotonic()
        server.start()
        first = lag_s(server)
        time.sleep(0.3)
        second = lag_s(server)
        assert 0.3 <= second < time.monotonic() - before + 1
        assert second >= first + 0.3
