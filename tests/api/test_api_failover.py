"""What requests experience while the database goes away, comes back, freezes or lies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.api_server import NOTES_PATH, PATIENT, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer, running_standby
from tests.api.relay import Relay
from tests.api.upstream import wait_until

pytestmark = pytest.mark.servers

# A busy machine may add this to what the API itself takes; whoever waits for a frozen server waits
# ten seconds at least (psycopg's cancel request), or for ever.
SLACK_S = 8.0
# From the server's return to the first success: the API tries again every quarter of a second.
NOTICED_S = 5.0
NOTES_WITH_KEY = "SELECT 1 FROM note WHERE client_id = %s"


@pytest.fixture
def relay(server: PostgresServer) -> Iterator[Relay]:
    relay = Relay(server.port)
    try:
        yield relay
    finally:
        relay.close()


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    started_at = time.monotonic()
    response = call()
    return response, time.monotonic() - started_at


def stored(server: PostgresServer, key: str) -> bool:
    return bool(server.execute(NOTES_WITH_KEY, key, database="hospital"))


def test_an_outage_is_survived_without_restart_and_its_end_is_noticed_at_once(
    server: PostgresServer,
) -> None:
    """The outage outlasts a doubling backoff's fourth attempt (1 + 2 + 4 s, the next 8 s later)."""
    with serving(api_settings(server.url("hospital"), request_timeout_s=1.0)) as client:
        client.wait_until_served()
        server.stop()
        stopped_at = time.monotonic()
        while time.monotonic() - stopped_at < 8:
            assert client.get("/health").status_code == 200
            answer, duration_s = timed(client.write_note)
            assert problem(answer)[0] == 503
            assert "retry-after" in answer.headers
            assert duration_s < 1.0 + SLACK_S
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "away")
        server.start()
        assert wait_until(lambda: client.write_note().status_code == 201) < NOTICED_S


def test_the_service_starts_with_the_database_away(server: PostgresServer) -> None:
    server.stop()
    with serving(api_settings(server.url("hospital"), request_timeout_s=0.5)) as client:
        assert client.get("/health").json() == {"status": "ok", "site": "mac-1", "mode": "normal"}
        assert problem(client.write_note()) == (503, "database-unavailable")
        assert problem(client.look_up()) == (503, "database-unavailable")
        server.start()
        wait_until(lambda: client.look_up().status_code == 200)


def test_a_restart_between_requests_costs_no_request(server: PostgresServer) -> None:
    with serving(api_settings(server.url("hospital"))) as client:
        assert client.write_note().status_code == 201
        server.stop()
        server.start()
        assert client.look_up().status_code == 200
        assert client.write_note().status_code == 201


def test_sessions_shut_by_the_balancer_cost_no_request(
    server: PostgresServer, relay: Relay
) -> None:
    with serving(api_settings(relay.url("hospital"))) as client:
        for _ in range(5):
            assert client.write_note().status_code == 201
            assert client.look_up().status_code == 200
            relay.shut_sessions()


def test_a_session_shut_in_mid_statement_costs_no_request_and_stores_one_note(
    server: PostgresServer, relay: Relay
) -> None:
    key = str(uuid.uuid4())
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'note'::regclass"
    with (
        serving(api_settings(relay.url("hospital"))) as client,
        ThreadPoolExecutor(2) as threads,
        psycopg.connect(server.url("hospital")) as blocker,
    ):
        assert client.look_up().status_code == 200
        blocker.execute("LOCK TABLE note")
        write = threads.submit(client.write_note, "interrompida", key)
        read = threads.submit(client.get, NOTES_PATH)
        wait_until(lambda: len(server.execute(waiting, database="hospital")) == 2, 30)
        relay.shut_sessions()
        wait_until(lambda: len(server.execute(waiting, database="hospital")) >= 3, 30)
        blocker.rollback()
        assert write.result().status_code in {200, 201}
        assert read.result().status_code == 200, read.result().text
    assert len(server.execute(NOTES_WITH_KEY, key, database="hospital")) == 1


def test_a_short_failover_is_waited_out(server: PostgresServer, relay: Relay) -> None:
    """Requests that arrive while the balancer has no server are served when it has one again."""
    with serving(api_settings(relay.url("hospital"))) as client, ThreadPoolExecutor(8) as threads:
        assert client.look_up().status_code == 200
        relay.target_port = None
        relay.shut_sessions()
        writes = [threads.submit(client.write_note) for _ in range(8)]
        time.sleep(1)
        relay.target_port = server.port
        assert [write.result().status_code for write in writes] == [201] * 8


def test_a_frozen_server_hangs_no_request_past_the_timeout(server: PostgresServer) -> None:
    timeout_s = 1.0
    settings = api_settings(server.url("hospital"), request_timeout_s=timeout_s)
    with serving(settings) as client, ThreadPoolExecutor(12) as threads:
        client.wait_until_served()
        server.freeze()
        reads = [threads.submit(timed, client.look_up) for _ in range(6)]
        writes = [threads.submit(timed, client.write_note) for _ in range(6)]
        for answer, duration_s in (future.result() for future in reads):
            assert problem(answer) == (503, "database-unavailable")
            assert duration_s < timeout_s + SLACK_S
        for answer, duration_s in (future.result() for future in writes):
            assert problem(answer) in {(503, "outcome-unknown"), (503, "database-unavailable")}
            assert duration_s < timeout_s + SLACK_S
        assert client.get("/health").status_code == 200
        server.thaw()
        wait_until(lambda: client.write_note().status_code == 201)


def test_a_frozen_server_whose_sessions_stay_open_is_left_behind(
    server: PostgresServer, relay: Relay, tmp_path: Path
) -> None:
    """After one timeout the idle connections to the frozen server are replaced too."""
    settings = api_settings(relay.url("hospital"), request_timeout_s=3.0, database_pool_size=8)
    with serving(settings) as client, running_standby(server, tmp_path / "b") as other:
        client.wait_until_served()
        other.execute("SELECT pg_promote()")
        server.freeze()
        relay.target_port = other.port
        assert problem(client.look_up())[0] == 503
        answers = [client.look_up() for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 8, answers[-1].text


def test_a_write_whose_answer_is_lost_is_unknown_and_safe_to_retry(
    server: PostgresServer, relay: Relay
) -> None:
    with serving(api_settings(relay.url("hospital"), request_timeout_s=1.0)) as client:
        client.wait_until_served()
        relay.swallow_answers = True
        key = str(uuid.uuid4())
        lost = client.write_note("perdida", key)
        assert problem(lost) == (503, "outcome-unknown")
        assert int(lost.headers["retry-after"]) > 0
        assert stored(server, key)
        relay.swallow_answers = False
        relay.shut_sessions()
        wait_until(lambda: client.look_up().status_code == 200)
        replay = client.write_note("perdida", key)
        assert replay.status_code == 200
        assert replay.json()["client_id"] == key


def test_a_write_refused_before_it_was_sent_is_not_unknown(relay: Relay) -> None:
    with serving(api_settings(relay.url("hospital"), request_timeout_s=0.5)) as client:
        client.wait_until_served()
        relay.target_port = None
        relay.shut_sessions()
        assert problem(client.write_note()) == (503, "database-unavailable")


def waiting_for_replication(server: PostgresServer) -> list[int]:
    """Notes that wait; the audit trail's batches, which have a lane of their own, left out."""
    rows = server.execute(
        "SELECT pid FROM pg_stat_activity "
        "WHERE wait_event = 'SyncRep' AND application_name LIKE '%-write'"
    )
    return [int(str(row[0])) for row in rows]


def test_a_cancelled_wait_for_replication_is_never_acknowledged(server: PostgresServer) -> None:
    """Nor is a replay of the note, which is visible here and perhaps nowhere else."""
    with (
        serving(api_settings(server.url("hospital"))) as patient,
        serving(api_settings(server.url("hospital"), request_timeout_s=1.0)) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        patient.wait_until_served()
        client.wait_until_served()
        server.make_commits_wait()
        key = str(uuid.uuid4())
        write = threads.submit(patient.write_note, "só aqui", key)
        wait_until(lambda: waiting_for_replication(server), 30)
        server.execute(f"SELECT pg_cancel_backend({waiting_for_replication(server)[0]})")
        answer = write.result()
        assert problem(answer) == (503, "outcome-unknown")
        assert "synchronous replication" in answer.json()["detail"]
        assert stored(server, key)

        assert problem(client.write_note("só aqui", key)) == (503, "outcome-unknown")
        assert client.look_up().status_code == 200

        server.configure("synchronous_standby_names", "")
        wait_until(lambda: client.write_note("só aqui", key).status_code == 200)


def test_reads_go_on_while_writes_wait_for_replication(server: PostgresServer) -> None:
    settings = api_settings(server.url("hospital"), request_timeout_s=8.0, database_pool_size=4)
    with serving(settings) as client, ThreadPoolExecutor(10) as threads:
        client.wait_until_served()
        server.make_commits_wait()
        writes = [threads.submit(client.write_note) for _ in range(10)]
        wait_until(lambda: len(waiting_for_replication(server)) >= 2)
        assert client.look_up().status_code == 200
        assert not any(write.done() for write in writes)
        for write in writes:
            assert problem(write.result())[0] == 503
        server.configure("synchronous_standby_names", "")


def test_a_hospital_node_never_talks_to_a_standby(
    server: PostgresServer, relay: Relay, tmp_path: Path
) -> None:
    settings = api_settings(relay.url("hospital"), request_timeout_s=1.0)
    with serving(settings) as client, running_standby(server, tmp_path / "b") as standby:
        client.wait_until_served()
        relay.target_port = standby.port
        relay.shut_sessions()
        assert problem(client.look_up()) == (503, "database-unavailable")
        assert problem(client.write_note()) == (503, "database-unavailable")
        standby.execute("SELECT pg_promote()")
        wait_until(lambda: client.write_note().status_code == 201)


def test_an_emergency_site_reads_from_its_standby_and_writes_once_it_is_promoted(
    server: PostgresServer, tmp_path: Path
) -> None:
    with running_standby(server, tmp_path / "b") as standby:
        settings = api_settings(standby.url("hospital"), site="gcp", mode="emergency")
        with serving(settings) as client:
            answer = client.look_up()
            assert answer.json()["id"] == str(PATIENT.id)
            assert answer.headers["x-prontuario-mode"] == "emergency"
            refused = client.write_note()
            assert problem(refused) == (503, "read-only")
            assert int(refused.headers["retry-after"]) > 0
            assert refused.headers["x-prontuario-mode"] == "emergency"
            assert client.get("/ready").json()["database"] == "standby"
            server.stop()
            standby.execute("SELECT pg_promote()")
            wait_until(lambda: client.write_note().status_code == 201)
