"""Every access is in the trail, and nothing of it can be changed unnoticed."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import InsufficientPrivilege

from reference_stack.api.audit_event import FIELDS, AuditEvent, outcome_of
from reference_stack.api.audit_spool import Spool, events_of
from reference_stack.api.audit_verify import _Check
from tests.api.api_server import OTHERS, PATIENT, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer, running_standby
from tests.api.upstream import DEADLINE_S, wait_until
from tests.clinical.ward import KEY, Ward, key, some_patient

ids = st.uuids()
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
events = st.builds(
    AuditEvent,
    id=ids,
    recorded_at=st.datetimes(timezones=st.just(UTC)),
    site=words,
    actor_id=st.none() | ids,
    actor_role=st.none() | words,
    patients=st.lists(ids, max_size=3).map(tuple),
    purpose=words,
    route=words,
    outcome=words,
    status=st.integers(100, 599),
    request_id=words,
)


@given(events)
def test_an_event_is_read_back_as_it_was_written(event: AuditEvent) -> None:
    again = AuditEvent.from_canonical(event.canonical())
    assert again == event
    assert again.digest == event.digest


@given(events, st.data())
def test_any_change_of_an_event_changes_its_digest(event: AuditEvent, data: st.DataObject) -> None:
    other = data.draw(events)
    for name in AuditEvent.__dataclass_fields__:
        if getattr(other, name) != getattr(event, name):
            assert replace(event, **{name: getattr(other, name)}).digest != event.digest


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "allowed"), (304, "allowed"), (403, "denied"), (404, "not-found"), (412, "refused"),
     (503, "refused"), (500, "failed")],
)  # fmt: skip
def test_the_outcome_follows_from_the_status(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def an_event(number: int = 0) -> AuditEvent:
    return AuditEvent(
        id=uuid.uuid4(), recorded_at=datetime.now(UTC), site="mac-1", actor_id=None,
        actor_role=None, patients=(), purpose="look-up", route="GET /", outcome="allowed",
        status=200, request_id=str(number),
    )  # fmt: skip


def shipped(spool: Spool) -> list[AuditEvent]:
    found = []
    while (path := spool.oldest()) is not None:
        found += [event for batch in events_of(path, 2) for event in batch]
        spool.discard(path)
    return found


def test_spooled_events_outlive_their_process_and_a_torn_line_spoils_none(tmp_path: Path) -> None:
    written = [an_event(number) for number in range(3)]
    spool = Spool(tmp_path)
    for event in written:
        spool.append(event)
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes() + b"not json\n" + written[0].canonical()[:40]
    path.write_bytes(whole)
    assert shipped(Spool(tmp_path)) == written
    assert shipped(Spool(tmp_path)) == []
    assert [damaged.read_bytes() for damaged in tmp_path.glob("*.damaged")] == [whole]


def test_attempts_to_bring_events_away_leave_no_files_behind(tmp_path: Path) -> None:
    """An outage of hours is thousands of attempts; each may look at the oldest file only."""
    spool = Spool(tmp_path)
    written = [an_event(number) for number in range(50)]
    for event in written:
        spool.append(event)
        assert spool.oldest() is not None
    assert len(list(tmp_path.glob("*.jsonl"))) <= 2
    assert shipped(spool) == written


@pytest.mark.servers
def test_a_read_is_in_the_trail_before_its_answer(ward: Ward) -> None:
    patient = some_patient(4)
    path = f"/v1/patients/{patient}"
    tag = ward.get(path).headers["etag"]
    for answer in (ward.get(path), ward.get(path, headers={"If-None-Match": tag})):
        assert ward.events_of(answer) == [
            ("physician", [patient], "look-up", "allowed", answer.status_code)
        ]
    found = ward.get("/v1/patients", params={"limit": 3})
    ((_, patients, *_),) = ward.events_of(found)
    assert {str(one) for one in patients} == {item["id"] for item in found.json()["items"]}
    missing = ward.get(f"/v1/patients/{uuid.uuid4()}")
    assert [row[3] for row in ward.events_of(missing)] == ["not-found"]


@pytest.mark.servers
def test_a_write_and_its_event_are_stored_together_or_not_at_all(ward: Ward) -> None:
    path = f"/v1/patients/{some_patient(5)}/notes"
    mine = key()
    first = ward.post(path, json={"text": "uma"}, headers=mine)
    again = ward.post(path, json={"text": "uma"}, headers=mine)
    other = ward.post(path, json={"text": "outra"}, headers=mine)
    for answer, outcome in ((first, "allowed"), (again, "allowed"), (other, "refused")):
        ((_, _, purpose, told, status),) = ward.events_of(answer)
        assert (purpose, told, status) == ("note", outcome, answer.status_code)
    stored = ward.rows(
        "SELECT note.xmin::text, audit_event.xmin::text FROM note, audit_event "
        "WHERE note.client_id = %s AND request_id = %s",
        mine["Idempotency-Key"],
        first.headers["x-request-id"],
    )
    ((note, event),) = stored
    assert note == event


@pytest.mark.servers
def test_the_requests_own_id_is_kept_if_it_is_sane(ward: Ward) -> None:
    kept = ward.get("/v1/alerts", headers={"X-Request-Id": "edge-17"})
    assert kept.headers["x-request-id"] == "edge-17"
    odd = ward.get("/v1/alerts", headers={"X-Request-Id": "a b"})
    assert uuid.UUID(odd.headers["x-request-id"])


@pytest.mark.servers
@pytest.mark.parametrize("table", ["audit_event", "audit_seal"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET signature = ''", "DELETE FROM {}", "TRUNCATE {}",
     "SET session_replication_role = replica; DELETE FROM {}"],
)  # fmt: skip
def test_the_database_itself_refuses_changes_even_to_its_superuser(
    table: str, statement: str, ward: Ward
) -> None:
    ward.get(f"/v1/patients/{some_patient()}")
    with pytest.raises(InsufficientPrivilege):
        ward.rows(statement.format(table))


@pytest.mark.servers
def test_concurrent_reads_share_seals_and_the_trail_is_whole(ward: Ward) -> None:
    """All links of one process are one chain, and no read waits for a link of its own."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda n: ward.get(f"/v1/patients/{OTHERS[n % 50].id}"), range(200))
        )
    assert {answer.status_code for answer in answers} == {200}
    report = ward.verify()
    assert report.findings == ()
    assert report.seals < report.events


# What a superuser could do who switches the triggers off, and what gives it away.
TAMPERINGS = {
    "UPDATE audit_event SET actor_role = 'nurse' WHERE id = %(event)s": "event-edited",
    "UPDATE audit_event SET status = 299, digest = %(digest)s WHERE id = %(event)s": "seal-edited",
    "DELETE FROM audit_event WHERE id = %(event)s": "event-missing",
    "DELETE FROM audit_seal WHERE chain = %(chain)s AND number = 1": "seal-missing",
    "DELETE FROM audit_seal WHERE chain = %(chain)s AND number = 0": "seal-missing",
    "UPDATE audit_seal SET members = members[2:] WHERE chain = %(chain)s AND number = 1": (
        "seal-edited"
    ),
    (
        "INSERT INTO audit_event SELECT gen_random_uuid(), recorded_at, site, actor_id, "
        "actor_role, patients, purpose, route, outcome, status, request_id, digest, signature "
        "FROM audit_event WHERE id = %(event)s"
    ): "event-edited",
    "DELETE FROM audit_seal WHERE number = %(last)s AND chain = %(chain)s": "head-missing",
}


@pytest.mark.servers
@pytest.mark.parametrize(("statement", "finding"), TAMPERINGS.items())
def test_what_a_superuser_changes_is_found(statement: str, finding: str, ward: Ward) -> None:
    for number in range(3):
        assert ward.get(f"/v1/patients/{some_patient(number)}").status_code == 200
    before = ward.verify()
    assert before.is_intact
    newest = "SELECT chain FROM audit_seal ORDER BY sealed_at DESC LIMIT 1"
    ((chain,),) = ward.rows(newest)
    ((member,),) = ward.rows(
        "SELECT members[1] FROM audit_seal WHERE chain = %s AND number = 1", chain
    )
    columns = ", ".join(FIELDS[:-2])
    found = ward.rows(f"SELECT {columns} FROM audit_event WHERE id = %s", member)  # noqa: S608
    event = AuditEvent.from_row(found[0])
    values = {
        "event": member, "chain": chain, "last": before.heads[chain][0],
        "digest": replace(event, status=299).digest,
    }  # fmt: skip
    with psycopg.connect(ward.server.url("hospital"), autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE audit_event DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE audit_seal DISABLE TRIGGER ALL")
        assert connection.execute(statement.encode(), values).rowcount >= 1
        check = _Check(connection, KEY)
        check.seals()
        check.unsealed()
        check.noted(before.heads)
        connection.execute("ROLLBACK")
    assert finding in {found.kind for found in check.findings}
    assert ward.verify().is_intact


@pytest.mark.servers
def test_with_another_key_every_signature_is_strange_and_without_one_none_is_checked(
    ward: Ward,
) -> None:
    ward.get(f"/v1/patients/{some_patient()}")
    kinds = {finding.kind for finding in ward.verify(b"another key").findings}
    assert kinds == {"event-forged", "seal-forged"}
    assert ward.verify(None).is_intact


@pytest.mark.servers
def test_the_auditor_reads_the_trail_and_is_in_it(ward: Ward) -> None:
    patient = some_patient(6)
    looked = ward.get(f"/v1/patients/{patient}", role="pharmacist")
    told = ward.get("/v1/audit/events", role="auditor", params={"patient_id": str(patient)})
    newest = told.json()["items"][0]
    assert newest["request_id"] == looked.headers["x-request-id"]
    assert (newest["actor_role"], newest["patients"]) == ("pharmacist", [str(patient)])
    assert [row[2] for row in ward.events_of(told)] == ["audit"]
    seals = ward.get("/v1/audit/seals", role="auditor").json()["items"]
    noted = {uuid.UUID(seals[0]["chain"]): (seals[0]["number"], bytes.fromhex(seals[0]["hash"]))}
    assert ward.verify(noted_heads=noted).is_intact
    never = {uuid.UUID(seals[0]["chain"]): (seals[0]["number"], bytes(32))}
    assert [one.kind for one in ward.verify(noted_heads=never).findings] == ["head-missing"]


@pytest.mark.servers
def test_reads_of_an_outage_wait_on_the_disk_and_reach_the_trail_after_it(
    server: PostgresServer,
) -> None:
    """A refused look-up is an access too; so long the database is away its event is on the disk."""
    settings = api_settings(server.url("hospital"), request_timeout_s=1.0)
    with serving(settings) as client:
        ward = Ward(client, settings, server)
        client.wait_until_served()
        server.stop()
        refused = ward.get(f"/v1/patients/{PATIENT.id}")
        assert problem(refused) == (503, "database-unavailable")
        assert settings.audit_folder is not None
        assert list(settings.audit_folder.glob("*.jsonl"))
        server.start()
        wait_until(lambda: ward.events_of(refused))
        assert [row[3] for row in ward.events_of(refused)] == ["refused"]
        wait_until(lambda: not list(Path(settings.audit_folder or "").glob("*.jsonl")))
        assert ward.verify().is_intact


@pytest.mark.servers
def test_where_nothing_can_be_recorded_nothing_is_told(server: PostgresServer) -> None:
    settings = api_settings(server.url("hospital"), request_timeout_s=1.0, audit_folder=None)
    with serving(settings) as client:
        ward = Ward(client, settings, server)
        client.wait_until_served()
        with psycopg.connect(server.url("hospital")) as blocker:
            blocker.execute("LOCK TABLE audit_event")
            answer = ward.get(f"/v1/patients/{PATIENT.id}")
            assert problem(answer) == (503, "audit-unavailable")
            assert PATIENT.name not in answer.text


@pytest.mark.servers
def test_every_answered_access_survives_the_death_of_the_primary(
    server: PostgresServer, tmp_path: Path
) -> None:
    """Look-ups and notes go on while the primary dies; its synchronous standby takes over.

    Acknowledged are those that were answered with success: each must be in the new primary's
    trail, or on this node's disk and then there.
    """
    folder = tmp_path / "audit"
    with running_standby(server, tmp_path / "b") as standby:
        server.configure("synchronous_standby_names", "*")
        wait_until(
            lambda: server.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
        )
        hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/hospital"
        settings = api_settings(url, request_timeout_s=2.0, audit_folder=folder)
        answered: list[str] = []
        with serving(settings) as client:
            ward = Ward(client, settings, standby)
            asked, end = 0, time.monotonic() + 2 * DEADLINE_S
            # Thirty before it dies, and as many after.
            while len(answered) < 60:
                assert time.monotonic() < end, f"only {len(answered)} were answered"
                if server.process is not None and len(answered) >= 30:
                    server.kill()
                    standby.execute("SELECT pg_promote()")
                number, asked = asked, asked + 1
                patient = OTHERS[number % 40].id
                answer = (
                    ward.post(f"/v1/patients/{patient}/notes", json={"text": "ok"})
                    if number % 5 == 0
                    else ward.get(f"/v1/patients/{patient}")
                )
                if answer.is_success:
                    answered.append(answer.headers["x-request-id"])
            wait_until(lambda: not list(folder.glob("*.jsonl")))
            found = {
                row[0]
                for row in ward.rows(
                    "SELECT request_id FROM audit_event WHERE request_id = ANY(%s)", answered
                )
            }
            assert found == set(answered)
            assert ward.verify().is_intact
