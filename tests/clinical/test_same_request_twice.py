"""Two equal requests at once are one request; what the trail says of each is what was answered."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psycopg
import pytest

from reference_stack.api import exchanges
from reference_stack.api.models import ChatRequest
from reference_stack.api.problems import ProblemError
from reference_stack.api.tokens import Clinician
from tests.api.api_server import CLINICIAN
from tests.api.upstream import wait_until
from tests.clinical.ward import Ward, key, some_patient

pytestmark = pytest.mark.servers


def twice_while_locked(
    ward: Ward, table: str, row: uuid.UUID, send: Callable[[], httpx.Response]
) -> list[httpx.Response]:
    """Both answers to a request that was sent twice while somebody held the row it changes."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND application_name LIKE 'prontuario-api-%'"
    )
    with (
        ThreadPoolExecutor(2) as threads,
        psycopg.connect(ward.server.url("hospital")) as holder,
    ):
        statement = f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE"  # noqa: S608 - the test's own
        holder.execute(statement.encode(), (row,))
        sent: list[Future[httpx.Response]] = [threads.submit(send) for _ in range(2)]
        wait_until(lambda: ward.rows(waiting) == [(2,)], 25)
        holder.rollback()
        return [one.result() for one in sent]


def same(answers: list[httpx.Response]) -> httpx.Response:
    one, other = answers
    assert (one.status_code, other.status_code) == (200, 200), (one.text, other.text)
    assert one.content == other.content
    replayed = sorted(answer.headers.get("idempotency-replayed", "") for answer in answers)
    assert replayed == ["", "true"]
    return one if "idempotency-replayed" in one.headers else other


def test_a_change_that_is_sent_again_before_its_end_is_made_once(ward: Ward) -> None:
    patient = some_patient(11)
    path = f"/v1/patients/{patient}"
    headers = {**key(), **ward.as_role("nurse"), "If-Match": ward.get(path).headers["etag"]}

    def send() -> httpx.Response:
        return ward.client.patch(path, json={"city": "Ilhéus"}, headers=headers)

    same(twice_while_locked(ward, "patient", patient, send))


def test_an_acknowledgement_that_is_sent_again_names_its_patient_in_the_trail_too(
    ward: Ward,
) -> None:
    patient = some_patient(12)
    alert = ward.post(f"/v1/patients/{patient}/alerts", json={"message": "Queda"}).json()
    headers = {**key(), **ward.as_role("nurse"), "If-Match": '"1"'}

    def send() -> httpx.Response:
        return ward.client.post(f"/v1/alerts/{alert['id']}/acknowledgement", headers=headers)

    replayed = same(twice_while_locked(ward, "alert", uuid.UUID(alert["id"]), send))
    assert ward.events_of(replayed) == [("nurse", [patient], "alert", "allowed", 200)]


def test_of_two_answers_under_one_key_only_the_saved_one_is_called_saved(ward: Ward) -> None:
    mine, who = uuid.uuid4(), Clinician(CLINICIAN.id, CLINICIAN.name, CLINICIAN.role)
    question = ChatRequest(message="Dose?", patient_id=some_patient())

    async def save() -> None:
        connection = await psycopg.AsyncConnection.connect(
            ward.server.url("hospital"), autocommit=True
        )
        async with connection:
            await exchanges.save(connection, mine, who, question, "Uma.")  # type: ignore[arg-type]
            await exchanges.save(connection, mine, who, question, "Uma.")  # type: ignore[arg-type]
            with pytest.raises(ProblemError, match="another answer"):
                await exchanges.save(connection, mine, who, question, "Duas.")  # type: ignore[arg-type]

    asyncio.run(save())
    assert ward.rows("SELECT answer FROM chat_exchange WHERE id = %s", mine) == [("Uma.",)]


def test_the_trail_has_the_status_that_was_answered_and_whose_account_was_changed(
    ward: Ward,
) -> None:
    asked = ward.post(f"/v1/patients/{some_patient()}/reports")
    assert [row[4] for row in ward.events_of(asked)] == [asked.status_code] == [202]
    path = f"/v1/clinicians/{CLINICIAN.id}/face"
    gone = ward.client.delete(path, headers={**key(), **ward.as_role("administrator")})
    assert ward.rows(
        "SELECT route, status FROM audit_event WHERE request_id = %s", gone.headers["x-request-id"]
    ) == [(f"DELETE {path}", 204)]
