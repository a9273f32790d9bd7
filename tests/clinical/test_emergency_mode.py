"""The emergency site: fifty at once, the next is told when; alerts pass; what is off says so."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reference_stack.api.database import Database
from reference_stack.api.emergency import IDLE_S, EmergencyPlaces
from reference_stack.api.limits import REQUESTS, LocalCounts, RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.permissions import PERMISSIONS
from reference_stack.api.problems import ProblemError
from reference_stack.api.sessions import Sessions
from reference_stack.api.tokens import Clinician, Token
from reference_stack.cache.client import CacheClient
from reference_stack.hospital.clinicians import clinician_password
from tests.api.api_server import CLINICIAN, HOSPITAL_SECRET, api_settings, problem, serving
from tests.api.postgres_server import PostgresServer
from tests.api.upstream import Upstream
from tests.clinical.test_permissions import ROUTES, concrete
from tests.clinical.ward import Ward, key, some_patient

LIMIT = 50
WATCHER = uuid.uuid4()


def places(now: list[float]) -> EmergencyPlaces:
    return EmergencyPlaces(
        LIMIT, Metrics([], CacheClient(None)), lambda: now[0], watchers=[WATCHER]
    )


def test_a_place_is_free_again_when_its_holder_was_idle_or_has_left() -> None:
    now = [0.0]
    taken = places(now)
    people = [uuid.uuid4() for _ in range(LIMIT + 1)]
    for number, person in enumerate(people[:LIMIT]):
        now[0] = float(number)
        taken.enter(person)
    with pytest.raises(ProblemError) as refused:
        taken.enter(people[LIMIT])
    assert refused.value.retry_after_s == round(IDLE_S - now[0] + 0.5)
    taken.enter(people[0])
    now[0] = IDLE_S + 1.5
    taken.enter(people[LIMIT])
    # The second has given way; the first had come back meanwhile.
    assert taken.taken() == LIMIT
    taken.leave(people[LIMIT])
    assert taken.taken() == LIMIT - 1


def test_an_account_that_only_watches_takes_nobodys_place() -> None:
    taken = places([0.0])
    for _ in range(LIMIT):
        taken.enter(uuid.uuid4())
    taken.enter(WATCHER)
    assert taken.taken() == LIMIT
    with pytest.raises(ProblemError):
        taken.enter(uuid.uuid4())


def test_a_clinicians_own_rate_does_not_count_alerts() -> None:
    async def admit(*, unlimited: bool) -> int:
        """How many of 600 requests at once get in."""
        cache = CacheClient(None)
        metrics = Metrics([], cache)
        database = Database(
            "postgresql://nobody", site="gcp", pool_size=2, request_timeout_s=1,
            accept_standby=True,
        )  # fmt: skip
        limits = RateLimits(cache, metrics, "secret", LocalCounts(lambda: 0.0))
        sessions = Sessions(database, cache, limits, metrics)
        sessions._known.set()
        token = Token(uuid.uuid4(), Clinician(uuid.uuid4(), "A", "nurse"), datetime.now(UTC))
        admitted = 0
        for _ in range(600):
            with contextlib.suppress(ProblemError):
                await sessions.admit(token, unlimited=unlimited)
                admitted += 1
        return admitted

    assert asyncio.run(admit(unlimited=True)) == 600
    assert asyncio.run(admit(unlimited=False)) == REQUESTS.count


pytestmark = pytest.mark.servers


@pytest.fixture
def emergency(shared_server: PostgresServer, upstream: Upstream) -> Iterator[Ward]:
    settings = api_settings(
        shared_server.url("hospital"), site="gcp", mode="emergency", inference_url=upstream.url
    )
    with serving(settings) as client:
        yield Ward(client, settings, shared_server)


def test_the_fifty_first_is_refused_and_the_critical_alert_is_not(emergency: Ward) -> None:
    path = f"/v1/patients/{some_patient()}"
    for _ in range(LIMIT):
        headers = emergency.as_role("physician", uuid.uuid4())
        assert emergency.client.get(path, headers=headers).status_code == 200
    # Of the staff, so that the alert can name its author.
    headers = emergency.as_role("nurse", CLINICIAN.id)
    for method, where, body in (
        ("GET", path, None), ("POST", "/v1/chat", {"message": "?"}),
        ("POST", f"{path}/notes", {"text": "x"}),
    ):  # fmt: skip
        refused = emergency.client.request(method, where, headers={**headers, **key()}, json=body)
        assert problem(refused) == (503, "emergency-full")
        assert 0 < int(refused.headers["retry-after"]) <= IDLE_S + 1
        assert refused.headers["x-prontuario-mode"] == "emergency"
    assert emergency.client.get("/v1/alerts?limit=1", headers=headers).status_code == 200
    raised = emergency.client.post(
        f"{path}/alerts", json={"message": "Parada"}, headers={**headers, **key()}
    )
    assert raised.status_code == 201
    told = emergency.client.get("/v1/status").json()
    assert told["users"] == {"active": LIMIT, "limit": LIMIT}


def test_what_is_off_says_so_and_what_is_on_is_served(emergency: Ward) -> None:
    for method, path in ROUTES:
        line = PERMISSIONS[method, path]
        if (method, path) == ("POST", "/v1/logout"):
            continue
        role = min(line.roles) if line.roles else "nurse"
        answer = emergency.client.request(
            method, concrete(path), headers={**emergency.as_role(role), **key()}, json={}
        )
        if line.in_emergency:
            assert "off-in-emergency" not in answer.text, (method, path)
        else:
            assert problem(answer) == (503, "off-in-emergency"), (method, path)
            assert line.purpose in answer.json()["detail"]
            assert "retry-after" in answer.headers


def test_log_in_is_by_password_only_and_users_are_told_what_is_left(emergency: Ward) -> None:
    face = emergency.client.post(
        "/v1/login/face", content=b"face ana", headers={"Content-Type": "image/png"}
    )
    assert problem(face) == (503, "off-in-emergency")
    credentials = {
        "username": CLINICIAN.username,
        "password": clinician_password(HOSPITAL_SECRET, CLINICIAN.username),
    }
    assert emergency.client.post("/v1/login", json=credentials).status_code == 200
    told = emergency.client.get("/v1/status").json()
    assert told["functions"]["on"] == ["login", "look-up", "note", "alert", "chat", "dictation"]
    assert "image-analysis" in told["functions"]["off"]
