"""The real stack: whole when it says so, gone when it is told to go, and honest in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from architecture import load_design
from chaos.probes import stack_becomes_whole
from reference_stack.bringup import up, wait_until_whole
from reference_stack.errors import PreconditionError, StackNotRunningError
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians
from reference_stack.state import write_state
from tests.stack.conftest import tell
from tests.stack.processes import processes_of
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

PROJECT = Path(__file__).parents[2]


def log_in(stack: StackHandle) -> dict[str, str]:
    clinician = generate_clinicians(1, 1)[0]
    password = clinician_password(stack.secret("clinicians"), clinician.username)
    with stack.http_client() as client:
        answer = client.post(
            "/v1/login", json={"username": clinician.username, "password": password}
        )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def write_note(stack: StackHandle, headers: dict[str, str], key: str) -> httpx.Response:
    with stack.http_client() as client:
        patient = client.get("/v1/patients?limit=1", headers=headers)
        patient_id = patient.json()["items"][0]["id"]
        return client.post(
            f"/v1/patients/{patient_id}/notes",
            headers={**headers, "Idempotency-Key": key},
            json={"text": "Paciente estável.", "sequence": 1},
        )


def test_an_acknowledged_note_is_on_both_hospital_nodes(stack: StackHandle) -> None:
    wait_until_whole(stack, tell)
    key = "0e9e7a52-7e5b-4f0b-9a35-6c8f6a3f4d11"
    answer = write_note(stack, log_in(stack), key)
    assert answer.status_code in {200, 201}, answer.text
    for site in stack.hospital_sites:

        def holds_the_note(site: str = site) -> bool:
            with psycopg.connect(stack.database_dsn(site)) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM note WHERE client_id = %s", (key,)
                ).fetchone()
            return row == (1,)

        # Synchronous commit = on: flushed on the standby when acknowledged, visible soon after.
        wait_for(holds_the_note, f"the note on {site}")


def test_the_chat_answers_come_from_a_real_language_model(stack: StackHandle) -> None:
    wait_until_whole(stack, tell)
    headers = log_in(stack)
    words = ""
    question = {"message": "What is the capital of France?", "max_tokens": 16}
    with (
        stack.http_client(timeout_s=120) as client,
        client.stream("POST", "/v1/chat", headers=headers, json=question) as answer,
    ):
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {") and "choices" in line:
                words += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    assert "Paris" in words


def test_a_login_made_on_one_node_counts_on_the_other(stack: StackHandle) -> None:
    wait_until_whole(stack, tell)
    headers = log_in(stack)
    for site in stack.hospital_sites:
        url = stack.endpoint(site, "api").url
        answer = httpx.get(f"{url}/v1/patients?limit=1", headers=headers, timeout=60)
        assert answer.status_code == 200
        assert answer.headers["X-Prontuario-Site"] == site


def test_the_cloud_says_that_it_is_an_emergency_and_refuses_notes_while_it_is_a_standby(
    stack: StackHandle,
) -> None:
    wait_until_whole(stack, tell)
    headers = log_in(stack)
    url = stack.endpoint("gcp", "api").url
    patients = httpx.get(f"{url}/v1/patients?limit=1", headers=headers, timeout=60)
    assert patients.headers["X-Prontuario-Mode"] == "emergency"
    patient = patients.json()["items"][0]["id"]
    note = httpx.post(
        f"{url}/v1/patients/{patient}/notes",
        headers={**headers, "Idempotency-Key": "9b1c2a34-0000-4000-8000-000000000001"},
        json={"text": "x"},
        timeout=60,
    )
    assert note.status_code == 503
    assert "Retry-After" in note.headers


def test_killing_the_primary_moves_it_and_the_dead_site_comes_back_as_standby(
    stack: StackHandle,
) -> None:
    wait_until_whole(stack, tell)
    before = stack.primary()
    assert before is not None
    key = "5f0c1d8e-1111-4222-8333-444455556666"
    assert write_note(stack, log_in(stack), key).status_code in {200, 201}
    stack.kill(before)
    try:
        assert stack.status()[before].state == "dead"
        wait_for(lambda: stack.primary() not in {None, before}, "the promotion", 180)
    finally:
        stack.start(before)
    after = stack.primary()
    assert after != before
    with psycopg.connect(stack.database_dsn(after)) as connection:
        row = connection.execute("SELECT count(*) FROM note WHERE client_id = %s", (key,))
        assert row.fetchone() == (1,)
    wait_until_whole(stack, tell)
    assert stack.primary() == after


def test_a_second_stack_in_the_same_place_is_refused(stack: StackHandle) -> None:
    with pytest.raises(PreconditionError, match="a stack runs here already"):
        up(load_design("local"), stack.directory, instance=None, progress=tell)
    assert stack.status()["edge"].state == "running"


def test_a_stale_handle_cannot_rule_the_stack_that_took_its_addresses(
    stack: StackHandle, tmp_path: Path
) -> None:
    stale = stack.state.model_copy(update={"stack_id": "an-earlier-stack"})
    write_state(stale, tmp_path)
    with pytest.raises(StackNotRunningError, match="another one has taken its addresses"):
        StackHandle.attach(tmp_path)
    with pytest.raises(StackNotRunningError):
        StackHandle(stale, tmp_path).kill("mac-1")
    assert stack.status()["mac-1"].state == "running"


def test_busy_addresses_are_named_and_nothing_is_started(
    stack: StackHandle, tmp_path: Path
) -> None:
    instance = str(stack.addresses.instance)
    command = [sys.executable, "-m", "cli.main", "stack", "up"]
    refused = subprocess.run(
        [*command, "--dir", str(tmp_path / "other"), "--instance", instance],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert refused.returncode == 2
    assert "ports are in use" in refused.stderr
    assert "--instance" in refused.stderr
    assert processes_of(tmp_path) == []


def test_a_site_that_is_fenced_after_its_power_is_back_gets_it_again(stack: StackHandle) -> None:
    """The failure detector may strike a site that is only just starting; nobody else starts it."""
    wait_until_whole(stack, tell)
    standby = next(site for site in stack.hospital_sites if site != stack.primary())
    stack.kill(standby)
    assert stack_becomes_whole(str(stack.directory), 240)
    assert stack.status()[standby].state == "running"


DRIVER = """
import sys, time
from pathlib import Path
from architecture import load_design
from reference_stack.bringup import running
with running(load_design("local", ["workload.users=2"]), Path(sys.argv[1]), instance=None, seed=1,
             progress=lambda m: print(m, file=sys.stderr, flush=True)):
    print("up", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("moment", ["while starting", "when whole"])
def test_nothing_survives_a_killed_driver(moment: str, tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if moment == "when whole":
            assert driver.stdout is not None
            assert driver.stdout.readline().strip() == "up"
        else:
            wait_for(lambda: len(processes_of(directory)) > 5, "some processes")
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_for(lambda: not processes_of(directory), "the end of every process")
    finally:
        driver.kill()
        for left in processes_of(directory):
            left.kill()
