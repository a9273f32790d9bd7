"""A clinician at work on a whole stack, and what becomes of the documents she files."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from reference_stack.documents.ledger import DocumentLedger
from reference_stack.handle import StackHandle
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians

DEADLINE_S = 120


@dataclass(frozen=True)
class Clinic:
    """A stack, and a clinician who is logged in."""

    stack: StackHandle
    client: httpx.Client
    patient: str


def tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


@contextlib.contextmanager
def clinic_on(stack: StackHandle) -> Iterator[Clinic]:
    clinician = generate_clinicians(1, 1)[0]
    password = clinician_password(stack.secret("clinicians"), clinician.username)
    with httpx.Client(base_url=stack.api_url, timeout=30, trust_env=False) as client:
        answer = client.post(
            "/v1/login", json={"username": clinician.username, "password": password}
        )
        assert answer.is_success, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        patient = client.get("/v1/patients?limit=1").json()["items"][0]["id"]
        yield Clinic(stack, client, patient)


def send_until_acknowledged(
    clinic: Clinic, ledger: DocumentLedger, number: int, started: float
) -> None:
    path = f"/v1/patients/{clinic.patient}/documents"
    document = ledger.document_id(number)
    file_until_acknowledged(clinic, path, document, ledger.content(number))
    ledger.record(number, "acknowledged", time.monotonic() - started)


def file_until_acknowledged(
    clinic: Clinic, path: str, key: uuid.UUID, content: bytes, **headers: str
) -> None:
    """As a clinician's device does: again with the same key until it is acknowledged."""
    end = time.monotonic() + DEADLINE_S
    while True:
        assert time.monotonic() < end, f"document {key} finds no taker"
        try:
            answer = clinic.client.post(
                path, params={"title": "Exame"}, content=content,
                headers={
                    "Content-Type": "application/pdf", "Idempotency-Key": str(key), **headers,
                },
            )  # fmt: skip
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.is_success:
            return
        assert answer.status_code >= 429, answer.text
        time.sleep(0.2)


def read_back(
    clinic: Clinic, document: uuid.UUID, version: uuid.UUID | None = None
) -> bytes | None:
    """What a clinician gets; the first version, unless another is asked for."""

    def ask() -> httpx.Response | None:
        path = f"/v1/documents/{document}/versions/{version or document}"
        try:
            answer = clinic.client.get(path)
        except httpx.HTTPError:
            return None
        return answer if answer.status_code in {200, 404} else None

    return content_of(ask)


def direct(
    stack: StackHandle, site: str, document: uuid.UUID, version: uuid.UUID | None = None
) -> bytes | None:
    """What one site's document service has."""
    url = stack.endpoint(site, "documents").url
    headers = {"Authorization": f"Bearer {stack.secret('documents')}"}

    def ask() -> httpx.Response | None:
        path = f"{url}/documents/{document}/versions/{version or document}"
        answer = httpx.get(path, headers=headers, timeout=30, trust_env=False)
        return answer if answer.status_code in {200, 404} else None

    return content_of(ask)


def content_of(ask: Callable[[], httpx.Response | None]) -> bytes | None:
    end = time.monotonic() + 120
    while (answer := ask()) is None:
        assert time.monotonic() < end, "no answer, which proves no loss"
        time.sleep(0.2)
    return answer.content if answer.is_success else None
