"""The cache in the whole stack: there when the stack is up, not missed when half of it is gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from architecture import load_design, overrides_without
from reference_stack.bringup import running, wait_until_whole
from reference_stack.cache import health
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

OVERRIDES = (*overrides_without("local", "inference"), "workload.users=5")


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackHandle]:
    design = load_design("local", OVERRIDES)
    directory = tmp_path_factory.mktemp("stack")
    with running(design, directory, instance=None, seed=1, progress=tell) as handle:
        yield handle


def problems(stack: StackHandle) -> list[str]:
    return health.problems(stack.design, stack.addresses, stack.secret("cache"))


def wait_for_the_cache(stack: StackHandle, deadline_s: float = 180) -> None:
    end = time.monotonic() + deadline_s
    while left := problems(stack):
        assert time.monotonic() < end, left
        time.sleep(0.3)


def log_in(stack: StackHandle, url: str) -> dict[str, str]:
    username = generate_clinicians(1, 1)[0].username
    password = clinician_password(stack.secret("clinicians"), username)
    credentials = {"username": username, "password": password}
    answer = httpx.post(f"{url}/v1/login", json=credentials, timeout=60)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_losing_the_standbys_redis_and_sentinel_costs_no_request_and_they_come_back(
    stack: StackHandle,
) -> None:
    wait_for_the_cache(stack)
    url = stack.endpoint("mac-1", "api").url
    headers = log_in(stack, url)
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        patient = client.get("/v1/patients?limit=1").json()["items"][0]["id"]
        end = time.monotonic() + 60
        while 'prontuario_api_cache_lookups_total{result="hit"}' not in client.get("/metrics").text:
            assert time.monotonic() < end, "never from the cache"
            assert client.get(f"/v1/patients/{patient}").status_code == 200
            time.sleep(0.1)
        stack.stop_services("mac-2", ["redis", "sentinel"])
        statuses = {client.get(f"/v1/patients/{patient}").status_code for _ in range(50)}
        assert statuses == {200}
        stack.start_services("mac-2", ["redis", "sentinel"])
    wait_for_the_cache(stack)


def test_a_session_logged_out_at_one_node_is_out_at_the_other_and_at_the_emergency_site(
    stack: StackHandle,
) -> None:
    urls = [stack.endpoint(site, "api").url for site in ("mac-1", "mac-2", "gcp")]
    headers = log_in(stack, urls[0])
    assert httpx.post(f"{urls[0]}/v1/logout", headers=headers, timeout=60).status_code == 204
    for url in urls:
        end = time.monotonic() + 60
        while (
            httpx.get(f"{url}/v1/patients?limit=1", headers=headers, timeout=60).status_code != 401
        ):
            assert time.monotonic() < end, f"{url} still lets the session in"
            time.sleep(0.2)


def test_a_node_killed_as_redis_master_comes_back_as_replica(stack: StackHandle) -> None:
    wait_until_whole(stack, tell)
    wait_for_the_cache(stack)
    stack.stop_services("mac-1", ["redis", "sentinel"])
    replica = stack.endpoint("mac-2", "cache")
    end = time.monotonic() + 120
    while health.replication(replica, stack.secret("cache")).get("role") != "master":
        assert time.monotonic() < end, "no promotion"
        time.sleep(0.2)
    stack.start_services("mac-1", ["redis", "sentinel"])
    wait_for_the_cache(stack)
    former = health.replication(stack.endpoint("mac-1", "cache"), stack.secret("cache"))
    assert former["role"] == "slave"
