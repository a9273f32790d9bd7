"""Documents on their way into the API: patient with one that is away, and never twice."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from reference_stack.errors import StackError
from reference_stack.hospital.admissions import REFERENCE_TIME
from reference_stack.hospital.upload import ATTEMPTS, PAUSE_S, upload_documents, uploads

SEED, PATIENTS, STAYS = 6, 1000, 2
FAILOVER_S = 30.0


class Api:
    """Keeps titles by patient, behind a balancer that has nobody for the first requests."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.titles: dict[str, list[str]] = {}
        self.slept_s: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            self.away -= 1
            return httpx.Response(503)
        if request.url.path == "/v1/login":
            return httpx.Response(200, json={"access_token": "token"})
        titles = self.titles.setdefault(request.url.path, [])
        if request.method == "GET":
            items = [{"versions": [{"title": title}]} for title in titles]
            return httpx.Response(200, json={"items": items})
        titles.append(request.url.params["title"])
        return httpx.Response(201)

    def load(self, **later: float) -> int:
        with httpx.Client(
            transport=httpx.MockTransport(self.answer), base_url="http://api"
        ) as client:
            return upload_documents(
                client, "secret", seed=SEED, patients=PATIENTS, stays=STAYS,
                as_of=REFERENCE_TIME + timedelta(**later), sleep=self.slept_s.append,
            )  # fmt: skip


def test_loading_again_at_another_moment_stores_nothing_twice() -> None:
    api = Api()
    assert api.load() == 3 * STAYS
    assert api.load(hours=5) == 0
    assert all(len(titles) == len(set(titles)) == 3 for titles in api.titles.values())


def test_what_an_interrupted_load_left_out_is_added() -> None:
    api = Api()
    api.load()
    path, titles = next(iter(api.titles.items()))
    missing = titles.pop()
    assert api.load(hours=5) == 1
    assert missing in api.titles[path]


def test_a_failover_is_waited_for() -> None:
    assert (ATTEMPTS - 1) * PAUSE_S >= FAILOVER_S
    api = Api(away=ATTEMPTS - 1)
    assert api.load() == 3 * STAYS
    assert api.slept_s == [PAUSE_S] * (ATTEMPTS - 1)


def test_an_api_that_stays_away_is_an_error_that_names_the_request() -> None:
    with pytest.raises(StackError, match="POST /v1/login: 503"):
        Api(away=ATTEMPTS).load()


def test_every_file_of_a_hospital_has_a_key_of_its_own() -> None:
    keys = [one.key for one in uploads(SEED, PATIENTS, STAYS, as_of=REFERENCE_TIME)]
    assert len(keys) == len(set(keys)) == 3 * STAYS
