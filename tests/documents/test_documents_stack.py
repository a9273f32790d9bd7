"""The promise on the whole stack: a power loss of the primary takes no acknowledged document."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from architecture import load_design, overrides_without
from reference_stack.bringup import running
from reference_stack.documents.health import problems
from reference_stack.documents.ledger import DocumentLedger
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

WITHOUT_MODEL = (
    "workload.users=5",
    *overrides_without("local", "inference"),
)
DOCUMENTS = 60
LOSS_AFTER = 20
DEADLINE_S = 120


@dataclass(frozen=True)
class Clinic:
    """A stack, and a clinician who is logged in."""

    stack: StackHandle
    client: httpx.Client
    patient: str


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    directory = tmp_path_factory.mktemp("stack")
    design = load_design("local", [*WITHOUT_MODEL, "edge.tls=false"])
    with running(design, directory, instance=None, seed=1, progress=tell) as stack:
        clinician = generate_clinicians(1, 1)[0]
        password = clinician_password(stack.secret("clinicians"), clinician.username)
        with httpx.Client(base_url=stack.api_url, timeout=10, trust_env=False) as client:
            answer = client.post(
                "/v1/login", json={"username": clinician.username, "password": password}
            )
            assert answer.is_success, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            patient = client.get("/v1/patients?limit=1").json()["items"][0]["id"]
            yield Clinic(stack, client, patient)


def test_the_loss_of_the_primary_loses_no_acknowledged_document(clinic: Clinic) -> None:
    stack = clinic.stack
    assert problems(stack.design, stack.addresses) == []
    ledger = DocumentLedger(seed=3, size_bytes=20_000)
    primary = stack.primary()
    assert primary is not None
    loss = threading.Thread(target=stack.kill, args=(primary,))
    started = time.monotonic()
    for number in range(DOCUMENTS):
        if number == LOSS_AFTER:
            loss.start()
        send_until_acknowledged(clinic, ledger, number, started)
    loss.join()
    account = ledger.settle(lambda document: read_back(clinic, document))
    tell(f"documents: {account}, the last after {ledger.entries[-1].at_s:.1f} s")
    assert account.acknowledged == DOCUMENTS
    assert (account.lost, account.changed) == ((), ())

    stack.start(primary)
    survivor = next(site for site in stack.hospital_sites if site != primary)
    wait_for(lambda: not problems(stack.design, stack.addresses), "the pair")
    wait_for(lambda: unsent(stack, survivor) == 0, "the outbox")
    for site in (primary, "gcp"):
        account = ledger.settle(lambda document, site=site: direct(stack, site, document))  # type: ignore[misc]
        assert (account.lost, account.changed) == ((), ()), site


def send_until_acknowledged(
    clinic: Clinic, ledger: DocumentLedger, number: int, started: float
) -> None:
    """As a clinician's device does: again with the same key until it is acknowledged."""
    while True:
        assert time.monotonic() - started < DEADLINE_S, f"document {number} finds no taker"
        try:
            answer = clinic.client.post(
                f"/v1/patients/{clinic.patient}/documents",
                params={"title": f"Exame {number}"},
                content=ledger.content(number),
                headers={
                    "Content-Type": "application/pdf",
                    "Idempotency-Key": str(ledger.document_id(number)),
                },
            )
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.is_success:
            ledger.record(number, "acknowledged", time.monotonic() - started)
            return
        assert answer.status_code >= 429, answer.text
        time.sleep(0.2)


def read_back(clinic: Clinic, document: uuid.UUID) -> bytes | None:
    def ask() -> httpx.Response | None:
        answer = clinic.client.get(f"/v1/documents/{document}/versions/{document}")
        return answer if answer.status_code in {200, 404} else None

    return content_of(ask)


def direct(stack: StackHandle, site: str, document: uuid.UUID) -> bytes | None:
    url = stack.endpoint(site, "documents").url
    headers = {"Authorization": f"Bearer {stack.secret('documents')}"}

    def ask() -> httpx.Response | None:
        path = f"{url}/documents/{document}/versions/{document}"
        answer = httpx.get(path, headers=headers, timeout=10, trust_env=False)
        return answer if answer.status_code in {200, 404} else None

    return content_of(ask)


def content_of(ask: object) -> bytes | None:
    assert callable(ask)
    end = time.monotonic() + 30
    while (answer := ask()) is None:
        assert time.monotonic() < end, "no answer, which proves no loss"
        time.sleep(0.2)
    assert isinstance(answer, httpx.Response)
    return answer.content if answer.is_success else None


def unsent(stack: StackHandle, site: str) -> int:
    url = f"{stack.endpoint(site, 'documents').url}/health"
    return int(httpx.get(url, timeout=5, trust_env=False).json()["unsent"])


def wait_for(condition: object, what: str) -> None:
    assert callable(condition)
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.3)
