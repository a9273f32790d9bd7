"""What an administrator takes from an account is gone within seconds, on every node, for good."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from reference_stack.api.passwords import HASHER
from reference_stack.api.permissions import Role
from reference_stack.api.sessions import REFRESH_S
from tests.api.api_server import Client, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer, running_standby
from tests.api.upstream import Upstream, wait_until
from tests.clinical.dictating import ending, opened
from tests.clinical.ward import Ward, key, some_patient

pytestmark = pytest.mark.servers

PASSWORD = "correct horse"
HASH = HASHER.hash(PASSWORD)
#: Other processes read the accounts this often; the rest is for a busy machine.
SOON_S = REFRESH_S + 5


def hired(server: PostgresServer, role: Role) -> uuid.UUID:
    """A new account, whose username is its id."""
    who = uuid.uuid4()
    server.execute(
        "INSERT INTO clinician (id, username, password_hash, name, role) "
        "VALUES (%s, %s, %s, 'Somebody', %s)",
        who, str(who), HASH, role, database="hospital",
    )  # fmt: skip
    return who


def log_in(client: Client, who: uuid.UUID) -> httpx.Response:
    return client.post(
        "/v1/login", json={"username": str(who), "password": PASSWORD},
        headers={"Authorization": ""},
    )  # fmt: skip


def session(client: Client, who: uuid.UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {log_in(client, who).json()['access_token']}"}


def change(
    client: Client, admin: dict[str, str], who: uuid.UUID, *, version: int = 0,
    mine: dict[str, str] | None = None, **patch: object,
) -> httpx.Response:  # fmt: skip
    headers = {**admin, **(mine or key()), "If-Match": f'"{version}"'}
    return client.patch(f"/v1/clinicians/{who}", json=patch, headers=headers)


def status(client: Client, headers: dict[str, str]) -> int:
    """Of reading notes, which a receptionist may not."""
    return client.get(f"/v1/patients/{some_patient()}/notes", headers=headers).status_code


def refused(client: Client, headers: dict[str, str]) -> Callable[[], bool]:
    return lambda: status(client, headers) == 401


@pytest.fixture(autouse=True)
def _all_leave_again(shared_server: PostgresServer) -> Iterator[None]:
    """The hospital is other tests' too."""
    yield
    gone = "SELECT id FROM clinician WHERE name LIKE 'Somebody%'"
    for statement in (
        f"DELETE FROM clinician_face WHERE clinician_id IN ({gone})",  # noqa: S608
        f"DELETE FROM clinician WHERE id IN ({gone})",  # noqa: S608
    ):
        shared_server.execute(statement, database="hospital")


@pytest.fixture
def admin(ward: Ward) -> dict[str, str]:
    return session(ward.client, hired(ward.server, "administrator"))


def test_a_closed_account_is_out_on_every_node_and_cannot_come_back(
    ward: Ward, admin: dict[str, str]
) -> None:
    who, other = hired(ward.server, "nurse"), hired(ward.server, "nurse")
    with serving(api_settings(ward.server.url("hospital"), site="mac-2")) as second:
        theirs, others = session(ward.client, who), session(second, other)
        assert [status(client, theirs) for client in (ward.client, second)] == [200, 200]
        closed = change(ward.client, admin, who, active=False)
        assert closed.status_code == 200, closed.text
        assert (closed.json()["active"], closed.headers["etag"]) == (False, '"1"')
        for client in (ward.client, second):
            assert problem(log_in(client, who)) == (401, "bad-credentials")
            wait_until(refused(client, theirs), SOON_S)
            assert status(client, others) == 200
        found = ward.get(f"/v1/fhir/Practitioner/{who}").json()
        assert found["active"] is False
    with serving(api_settings(ward.server.url("hospital"))) as restarted:
        assert status(restarted, theirs) == 401
    assert change(ward.client, admin, who, version=1, active=True).status_code == 200
    assert status(ward.client, session(ward.client, who)) == 200
    assert status(ward.client, theirs) == 401


def test_a_role_that_was_taken_away_gives_no_rights_and_the_new_one_does(
    ward: Ward, admin: dict[str, str]
) -> None:
    who = hired(ward.server, "physician")
    before = session(ward.client, who)
    changed = change(ward.client, admin, who, role="receptionist")
    assert changed.json()["role"] == "receptionist"
    after = session(ward.client, who)
    wait_until(refused(ward.client, before), SOON_S)
    assert status(ward.client, after) == 403
    assert ward.client.get("/v1/patients?limit=1", headers=after).status_code == 200


def test_a_change_by_hand_in_the_database_ends_sessions_too(ward: Ward) -> None:
    for column, value in (("role", "pharmacist"), ("password_hash", HASHER.hash("another"))):
        who = hired(ward.server, "nurse")
        theirs = session(ward.client, who)
        assert status(ward.client, theirs) == 200
        ward.rows(f"UPDATE clinician SET {column} = %s WHERE id = %s", value, who)  # noqa: S608
        wait_until(refused(ward.client, theirs), SOON_S)


def test_what_changes_nothing_of_the_rights_ends_no_session(ward: Ward) -> None:
    who = hired(ward.server, "nurse")
    theirs = session(ward.client, who)
    ward.rows("UPDATE clinician SET name = 'Somebody Else', role = role WHERE id = %s", who)
    assert ward.rows("SELECT version FROM clinician WHERE id = %s", who) == [(0,)]
    assert status(ward.client, theirs) == 200


def test_a_change_that_a_failover_lost_locks_nobody_out(ward: Ward) -> None:
    who = hired(ward.server, "nurse")
    theirs = session(ward.client, who)
    ward.rows("UPDATE clinician SET version = 3 WHERE id = %s", who)
    wait_until(refused(ward.client, theirs), SOON_S)
    ward.rows("UPDATE clinician SET version = 0 WHERE id = %s", who)
    wait_until(lambda: status(ward.client, theirs) == 200, SOON_S)


def test_the_trail_tells_who_changed_whose_account_into_what(
    ward: Ward, admin: dict[str, str]
) -> None:
    who = hired(ward.server, "physician")
    answers = [
        change(ward.client, admin, who, role="nurse", active=False),
        change(ward.client, admin, who, role="physician"),
    ]
    assert [answer.status_code for answer in answers] == [200, 412]
    assert [
        row
        for answer in answers
        for row in ward.rows(
            "SELECT actor_role, purpose, route, outcome FROM audit_event WHERE request_id = %s",
            answer.headers["x-request-id"],
        )
    ] == [
        ("administrator", "staff", f"PATCH /v1/clinicians/{who} role=nurse active=false",
         "allowed"),
        ("administrator", "staff", f"PATCH /v1/clinicians/{who} role=physician", "refused"),
    ]  # fmt: skip


def test_the_right_password_of_a_closed_account_is_told_to_the_trail(ward: Ward) -> None:
    who = hired(ward.server, "nurse")
    ward.rows("UPDATE clinician SET active = false WHERE id = %s", who)
    answer = log_in(ward.client, who)
    assert problem(answer) == (401, "bad-credentials")
    assert ward.rows(
        "SELECT actor_id, purpose, outcome FROM audit_event WHERE request_id = %s",
        answer.headers["x-request-id"],
    ) == [(who, "login", "denied")]


def test_a_change_needs_the_version_that_was_read_and_happens_once(
    ward: Ward, admin: dict[str, str]
) -> None:
    who, mine = hired(ward.server, "nurse"), key()
    path = f"/v1/clinicians/{who}"
    blind = ward.client.patch(path, json={"active": False}, headers={**admin, **key()})
    assert problem(blind) == (428, "precondition-required")
    empty = change(ward.client, admin, who)
    assert problem(empty) == (422, "invalid-request")
    first = change(ward.client, admin, who, mine=mine, active=False)
    again = change(ward.client, admin, who, mine=mine, active=False)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    listed = ward.client.get("/v1/clinicians?limit=100", headers=admin).json()["items"]
    assert first.json() in listed
    late = change(ward.client, admin, who, role="physician")
    assert problem(late) == (412, "precondition-failed")
    nobody = change(ward.client, admin, uuid.uuid4(), active=False)
    assert problem(nobody) == (404, "clinician-not-found")


def test_of_two_administrators_who_close_each_other_one_stays(ward: Ward) -> None:
    for _ in range(3):
        pair = [hired(ward.server, "administrator") for _ in range(2)]
        sessions = [session(ward.client, one) for one in pair]
        with ThreadPoolExecutor(2) as threads:
            answers = list(
                threads.map(
                    lambda n, pair=pair, sessions=sessions: change(
                        ward.client, sessions[n], pair[1 - n], active=False
                    ),
                    range(2),
                )
            )
        done, late = sorted(answer.status_code for answer in answers)
        assert done == 200
        # The late one is told that it is an administrator no more, or that its session is over.
        assert late in {401, 403}
        active = "SELECT count(*) FROM clinician WHERE active AND id = ANY(%s)"
        assert ward.rows(active, pair) == [(1,)]


def test_nobody_changes_the_own_account(ward: Ward) -> None:
    who = hired(ward.server, "administrator")
    answer = change(ward.client, session(ward.client, who), who, role="physician")
    assert problem(answer) == (409, "own-account")


def test_a_closed_account_stays_closed_after_a_failover(
    server: PostgresServer, tmp_path: Path
) -> None:
    """The new primary has it; a node that saw neither the change nor the old primary is told."""
    with running_standby(server, tmp_path / "b") as standby:
        server.configure("synchronous_standby_names", "*")
        wait_until(
            lambda: server.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"),
            10,
        )
        boss, who = hired(server, "administrator"), hired(server, "nurse")
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
        settings = api_settings(
            f"postgresql://postgres@{hosts}/hospital", request_timeout_s=2.0
        )  # fmt: skip
        with serving(settings) as client:
            theirs = session(client, who)
            assert status(client, theirs) == 200
            assert change(client, session(client, boss), who, active=False).status_code == 200
            server.kill()
            standby.execute("SELECT pg_promote()")
            wait_until(refused(client, theirs), 20)
        with serving(settings) as restarted:
            wait_until(refused(restarted, theirs), 20)
            assert problem(log_in(restarted, who)) == (401, "bad-credentials")


def test_the_face_of_a_closed_account_logs_nobody_in(
    ward: Ward, admin: dict[str, str], upstream: Upstream
) -> None:
    """Not even a colleague who looks alike, for whom it would pass if it were forgotten."""
    picture = {"Content-Type": "image/png"}
    who, alike = hired(ward.server, "nurse"), hired(ward.server, "nurse")

    def show() -> httpx.Response:
        return ward.client.post(
            "/v1/login/face", content=b"face Clara", headers={**picture, "Authorization": ""}
        )

    enrolled = ward.client.put(
        f"/v1/clinicians/{who}/face", content=b"face Clara", headers={**picture, **key(), **admin}
    )
    assert enrolled.status_code == 204
    assert show().json()["clinician"]["id"] == str(who)
    ward.rows(
        "INSERT INTO clinician_face (clinician_id, embedding, model, enrolled_by) "
        "SELECT %s, (SELECT array_agg(x + 0.01) FROM unnest(embedding) AS x), model, enrolled_by "
        "FROM clinician_face WHERE clinician_id = %s",
        *(alike, who),
    )
    assert change(ward.client, admin, who, active=False).status_code == 200
    answer = show()
    assert problem(answer) == (401, "face-unknown")
    assert ward.rows(
        "SELECT actor_id, outcome FROM audit_event WHERE request_id = %s",
        answer.headers["x-request-id"],
    ) == [(who, "denied")]


def test_a_live_dictation_ends_with_the_account(ward: Ward, admin: dict[str, str]) -> None:
    who = hired(ward.server, "nurse")

    def listen(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                socket.recv()

    with serve(listen, "127.0.0.1", 0) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        port = service.socket.getsockname()[1]
        settings = api_settings(
            ward.server.url("hospital"), inference_url=f"http://127.0.0.1:{port}"
        )
        try:
            with serving(settings) as client:
                second = Ward(client, settings, ward.server)
                token = session(client, who)["Authorization"].removeprefix("Bearer ")
                with opened(second, token) as dictation:
                    dictation.send(b"\0" * 320)
                    assert change(ward.client, admin, who, role="receptionist").status_code == 200
                    assert ending(dictation) == ("not-authenticated", 1008, "not-authenticated")
        finally:
            service.shutdown()
            thread.join()
