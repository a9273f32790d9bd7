"""The hospital as files: FHIR resources as NDJSON (as FHIR Bulk Data has it), notes, and some
patients' speech, images and letters.

The same arguments give the same bytes. A folder's ``manifest.json`` is written last and names every
file with its SHA-256: a folder without one is unfinished and is written anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from reference_stack.errors import PreconditionError
from reference_stack.hospital.clinicians import generate_clinicians, generate_support_staff
from reference_stack.hospital.dictation import PROGRAM, dictations, speech
from reference_stack.hospital.fhir import (
    encounter_resource,
    observation_resources,
    patient_resource,
    practitioner_resource,
    resources,
)
from reference_stack.hospital.images import MODALITIES, dicom, medical_image, png
from reference_stack.hospital.letters import summary_pdf, summary_text
from reference_stack.hospital.population import Block, hospital_blocks

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
KINDS: Final = (
    "Practitioner", "Patient", "Encounter", "Condition", "AllergyIntolerance",
    "MedicationStatement", "Observation",
)  # fmt: skip
NOTES: Final = "notes.ndjson"
FILES: Final = "files"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Export:
    """What is to be written. `files_of` is the number of inpatients whose files are made too."""

    seed: int
    patients: int
    clinicians: int
    files_of: int
    as_of: datetime

    def document(self) -> dict[str, Any]:
        """The arguments as the manifest has them."""
        return {
            "format": FORMAT,
            "seed": self.seed,
            "patients": self.patients,
            "clinicians": self.clinicians,
            "files_of": self.files_of,
            "as_of": self.as_of.isoformat(),
            "synthetic": True,
            "speech": self.files_of > 0 and shutil.which(PROGRAM) is not None,
        }


def export_hospital(wanted: Export, folder: Path, progress: Progress | None = None) -> bool:
    """Write the hospital into `folder`; False when the same was there already, whole.

    Raises:
        PreconditionError: when the folder holds something else.
        OSError: when it can't be written.
    """
    if _is_there(wanted, folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder / FILES, ignore_errors=True)
    _write_ndjson(wanted, folder, progress)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    manifest = {**wanted.document(), "sha256": {name: _sha256(folder / name) for name in names}}
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return True


def _is_there(wanted: Export, folder: Path) -> bool:
    manifest = folder / MANIFEST
    ours = {f"{kind}.ndjson" for kind in KINDS} | {NOTES, FILES, MANIFEST, f"{MANIFEST}.partial"}
    if not folder.exists():
        return False
    foreign = sorted({path.name for path in folder.iterdir()} - ours)
    if foreign:
        raise PreconditionError(f"{folder}: holds other files ({foreign[0]}): name a new folder")
    if not manifest.exists():
        return False
    try:
        stored = json.loads(manifest.read_text(encoding="utf-8"))
        hashes = stored.pop("sha256")
    except (ValueError, KeyError, AttributeError) as error:
        raise PreconditionError(f"{manifest}: is no manifest of a hospital: {error}") from error
    return stored == wanted.document() and all(
        (folder / name).is_file() and _sha256(folder / name) == digest
        for name, digest in hashes.items()
    )


def _write_ndjson(wanted: Export, folder: Path, progress: Progress | None) -> None:
    with ExitStack() as opened:
        targets: dict[str, BinaryIO] = {
            kind: opened.enter_context((folder / f"{kind}.ndjson").open("wb")) for kind in KINDS
        }
        notes = opened.enter_context((folder / NOTES).open("wb"))
        staff = generate_clinicians(wanted.seed, wanted.clinicians)
        _lines(targets, map(practitioner_resource, [*staff, *generate_support_staff(wanted.seed)]))
        done = files = 0
        for block in hospital_blocks(wanted.seed, wanted.patients, as_of=wanted.as_of):
            _lines(targets, _of_block(block))
            for note in block.notes:
                notes.write(orjson.dumps(note) + b"\n")
            if files < wanted.files_of:
                files += _write_files(wanted, block, folder / FILES, wanted.files_of - files)
            done += len(block.patients)
            if progress is not None:
                progress(done, wanted.patients)


def _lines(targets: dict[str, BinaryIO], made: Iterable[dict[str, Any]]) -> None:
    for resource in made:
        targets[resource["resourceType"]].write(orjson.dumps(resource) + b"\n")


def _of_block(block: Block) -> Iterator[dict[str, Any]]:
    stays = {stay.patient.id: stay for stay in block.stays}
    for patient in block.patients:
        yield patient_resource(patient, stays.get(patient.id))
        yield from resources(patient)
    for stay in block.stays:
        yield encounter_resource(stay)
    for recording in block.recordings:
        yield from observation_resources(recording)


def _write_files(wanted: Export, block: Block, folder: Path, wanted_stays: int) -> int:
    """The files of a block's first inpatients; returns how many there were."""
    spoken = {dictation.patient_id: dictation for dictation in dictations(wanted.seed, block)}
    can_speak = shutil.which(PROGRAM) is not None
    chosen = block.stays[:wanted_stays]
    for number, stay in enumerate(chosen):
        patient = stay.patient
        own = folder / patient.medical_record_number
        own.mkdir(parents=True)
        notes = [note for note in block.notes if note.patient_id == patient.id]
        (own / "resumo.pdf").write_bytes(summary_pdf(patient, notes, wanted.as_of))
        (own / "resumo.txt").write_text(
            summary_text(patient, notes, wanted.as_of), encoding="utf-8"
        )
        modality = MODALITIES[number % len(MODALITIES)]
        image = medical_image(wanted.seed, patient, modality, stay.admitted_at)
        (own / f"{modality}.dcm").write_bytes(dicom(image))
        (own / f"{modality}.png").write_bytes(png(image))
        dictation = spoken[patient.id]
        (own / "ditado.txt").write_text(dictation.text + "\n", encoding="utf-8")
        if can_speak:
            (own / "ditado.wav").write_bytes(speech(dictation.text, dictation.voice))
    return len(chosen)


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
