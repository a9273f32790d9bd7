"""What a client can send has bounds, and whatever is beyond them is a problem document."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from reference_stack.api.documents import byte_range
from reference_stack.api.limits import ACCOUNT, ADDRESS, LocalCounts, RateLimits
from reference_stack.api.metrics import Metrics
from reference_stack.api.middleware import JSON_LIMIT_BYTES
from reference_stack.api.problems import ProblemError
from reference_stack.cache.client import CacheClient
from tests.api.api_server import NOTES_PATH, problem
from tests.clinical.ward import Ward, key, some_patient


def test_a_flood_of_names_wipes_out_nobodys_count() -> None:
    """Guesses at one account are counted on while others are invented, also without Redis."""
    cache = CacheClient(None)
    counts = LocalCounts(lambda: 0.0)
    limits = RateLimits(cache, Metrics([], cache), "secret", counts)

    async def guess(username: str, address: str) -> None:
        await (await limits.begin_login(username, address)).was_wrong()

    async def attack() -> None:
        for _ in range(ADDRESS.count):
            await guess(str(uuid.uuid4()), "one")
        for _ in range(2 * LocalCounts.MAX_KEYS):
            with pytest.raises(ProblemError, match="too-many-attempts"):
                await guess(str(uuid.uuid4()), "one")

    asyncio.run(attack())
    assert len(counts) <= ADDRESS.count + 1


def test_counts_that_are_too_many_forget_the_oldest_window() -> None:
    now = [0.0]
    counts = LocalCounts(lambda: now[0])
    for number in range(LocalCounts.MAX_KEYS):
        now[0] = number / LocalCounts.MAX_KEYS
        counts.add(ACCOUNT, str(number), 1)
    counts.add(ACCOUNT, "new", 1)
    assert len(counts) == LocalCounts.MAX_KEYS
    assert counts.add(ACCOUNT, "0", 1)[0] == 1
    assert counts.add(ACCOUNT, str(LocalCounts.MAX_KEYS - 1), 1)[0] == 2


def test_a_range_of_endless_digits_is_no_range() -> None:
    assert byte_range(f"bytes=0-{'9' * 5000}", 10) is None
    assert byte_range("bytes=2-3", 10) == (2, 3)


@pytest.mark.servers
def test_a_body_beyond_its_bound_is_refused_before_anybody_is_known(ward: Ward) -> None:
    """JSON is read whole before the token is looked at, so its bound is all that protects."""
    large = b'{"username": "' + b"a" * JSON_LIMIT_BYTES + b'", "password": "x"}'
    headers = {"Authorization": "", "Content-Type": "application/json", **key()}
    for path in ("/v1/login", NOTES_PATH, "/v1/chat"):
        told = ward.client.post(path, content=large, headers=headers)
        assert problem(told) == (413, "about:blank")
        assert told.headers["x-prontuario-site"] == "mac-1"
        streamed = ward.client.post(
            path, content=iter([large[:200_000], large[200_000:]]), headers=headers
        )
        assert problem(streamed) == (413, "about:blank")
    longest = ward.post(NOTES_PATH, json={"text": "\N{PILL}" * 20_000})
    assert longest.status_code == 201, longest.text


@pytest.mark.servers
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "1899-12-31T23:59:59Z"])
def test_vital_signs_of_another_age_are_refused(at: str, ward: Ward) -> None:
    signs = {"effective_at": at, "heart_rate": 70}
    answer = ward.post(f"/v1/patients/{some_patient()}/vital-signs", role="nurse", json=signs)
    assert problem(answer) == (422, "invalid-request")


@pytest.mark.servers
def test_the_web_client_may_load_from_here_only(ward: Ward) -> None:
    page = ward.client.get("/app/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert problem(ward.client.get("/app/nothing.js")) == (404, "not-found")


@pytest.mark.servers
def test_password_that_is_no_text_is_refused(ward: Ward) -> None:
    body = b'{"username": "a", "password": "\\ud800"}'
    headers = {"Authorization": "", "Content-Type": "application/json"}
    answer = ward.client.post("/v1/login", content=body, headers=headers)
    assert problem(answer) == (422, "invalid-request")
