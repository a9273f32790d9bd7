"""Documents and images of some inpatients, stored through the API as a clinician would.

A document that a patient has by its title is not stored again, whatever the moment it was made for;
every upload has one idempotency key for all its attempts. So an interrupted run is taken up again
without making anything twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx

from reference_stack.errors import StackError
from reference_stack.hospital.clinicians import clinician_password, generate_clinicians
from reference_stack.hospital.images import MODALITIES, dicom, medical_image, png
from reference_stack.hospital.letters import summary_pdf
from reference_stack.hospital.notes import TEAM
from reference_stack.hospital.population import hospital_blocks

Progress = Callable[[int, int], None]
#: With the pause between them they outlast a failover (30 s, B-04).
ATTEMPTS: Final = 16
PAUSE_S: Final = 2.0
#: The API's longest page; the latest documents of a patient are looked through.
MOST_DOCUMENTS: Final = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """One document as the API takes it."""

    key: UUID
    patient_id: UUID
    title: str
    content_type: str
    content: bytes


def uploads(seed: int, patients: int, stays: int, *, as_of: datetime) -> Iterator[Upload]:
    """A letter, a DICOM file and its picture for each of the first `stays` inpatients."""
    left = stays
    for block in hospital_blocks(seed, patients, as_of=as_of):
        for number, stay in enumerate(block.stays[:left]):
            patient = stay.patient
            notes = [note for note in block.notes if note.patient_id == patient.id]
            modality = MODALITIES[number % len(MODALITIES)]
            image = medical_image(seed, patient, modality, stay.admitted_at)
            made = (
                ("Resumo do prontuário", "application/pdf", summary_pdf(patient, notes, as_of)),
                (f"{image.title}, imagem", "image/png", png(image)),
                (image.title, "application/dicom", dicom(image)),
            )
            for title, content_type, content in made:
                name = f"prontuario:{seed}:{patient.id}:{as_of.isoformat()}:{content_type}"
                key = uuid5(NAMESPACE_URL, name)
                yield Upload(key, patient.id, title, content_type, content)
        left -= min(left, len(block.stays))
        if not left:
            return


def upload_documents(
    client: httpx.Client, secret: str, *, seed: int, patients: int, stays: int, as_of: datetime,
    progress: Progress | None = None, sleep: Callable[[float], None] = time.sleep,
) -> int:  # fmt: skip
    """Store them; returns how many were new.

    Args:
        client: Of the API, with its base URL.
        secret: What clinicians' passwords are derived from.
        seed: Names the hospital, which is loaded.
        patients: How many of it are loaded.
        stays: How many inpatients get documents.
        as_of: As the hospital was loaded.
        progress: Told of each document.
        sleep: Waits between attempts, in seconds.

    Raises:
        StackError: when the API refuses, or does not answer in `ATTEMPTS`, `PAUSE_S` apart.
    """
    physician = next(
        person for person in generate_clinicians(seed, TEAM) if person.role == "physician"
    )
    password = clinician_password(secret, physician.username)
    credentials = {"username": physician.username, "password": password}
    answer = _ask(client, sleep, "POST", "/v1/login", json=credentials)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    made = uploads(seed, patients, stays, as_of=as_of)
    new = done = 0
    for patient_id, documents in groupby(made, key=lambda upload: upload.patient_id):
        path = f"/v1/patients/{patient_id}/documents"
        has = _titles(
            _ask(client, sleep, "GET", path, headers=headers, params={"limit": MOST_DOCUMENTS})
        )
        for upload in documents:
            if upload.title not in has:
                _ask(
                    client, sleep, "POST", path,
                    params={"title": upload.title}, content=upload.content,
                    headers={
                        **headers, "Idempotency-Key": str(upload.key),
                        "Content-Type": upload.content_type,
                    },
                )  # fmt: skip
                new += 1
            done += 1
            if progress is not None:
                progress(done, 3 * stays)
    return new


def _titles(answer: httpx.Response) -> set[str]:
    return {
        version["title"] for document in answer.json()["items"] for version in document["versions"]
    }


def _ask(
    client: httpx.Client, sleep: Callable[[float], None], method: str, path: str, **content: object
) -> httpx.Response:
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(PAUSE_S)
        try:
            answer = client.request(method, path, **content)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            reason = str(error) or repr(error)
            continue
        if answer.is_success:
            return answer
        reason = f"{answer.status_code}: {answer.text[:300]}"
        if not answer.is_server_error:
            break
    raise StackError(f"{method} {path}: {reason}")
