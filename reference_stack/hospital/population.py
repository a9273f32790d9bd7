"""The whole hospital as one stream of blocks: patients, stays, vital signs and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reference_stack.hospital import notes as clinical_notes
from reference_stack.hospital.admissions import REFERENCE_TIME, Admission, admissions
from reference_stack.hospital.clinicians import generate_clinicians
from reference_stack.hospital.drawing import Picker
from reference_stack.hospital.notes import TEAM, Note
from reference_stack.hospital.patients import BLOCK, Patient, patient_blocks
from reference_stack.hospital.vital_signs import Recording, recordings


@dataclass(frozen=True, slots=True)
class Block:
    """Some patients with all that is known of them; blocks depend on seed and number only."""

    number: int
    patients: list[Patient]
    stays: list[Admission]
    recordings: list[Recording]
    notes: list[Note]


def hospital_blocks(
    seed: int, patients: int, *, as_of: datetime = REFERENCE_TIME
) -> Iterator[Block]:
    """The hospital `seed` with its first `patients`, as it is at `as_of` (aware).

    Only one block is in memory at a time. Notes are signed by the first `TEAM` clinicians.
    """
    team = generate_clinicians(seed, TEAM)
    whole = -(-patients // BLOCK) * BLOCK
    stream = admissions(seed, patient_blocks(seed, whole), as_of=as_of)
    for number, (block, stays) in enumerate(stream):
        series = list(recordings(seed, number, stays, as_of=as_of))
        picker = Picker((seed, clinical_notes.STREAM, number))
        written: list[Note] = []
        for recording in series:
            written.extend(clinical_notes.inpatient_notes(recording, team, picker))
        visits = Picker((seed, clinical_notes.VISITS_STREAM, number))
        for patient in block:
            count = clinical_notes.outpatient_visits(visits)
            written.extend(
                clinical_notes.outpatient_notes(patient, count, team, picker, as_of=as_of)
            )
        yield _first(patients - number * BLOCK, Block(number, block, stays, series, written))


def _first(count: int, block: Block) -> Block:
    """The block's first patients only: it was drawn whole, so they are the same in any size."""
    if count >= len(block.patients):
        return block
    kept = block.patients[:count]
    ids = {patient.id for patient in kept}
    return Block(
        block.number,
        kept,
        [stay for stay in block.stays if stay.patient.id in ids],
        [series for series in block.recordings if series.admission.patient.id in ids],
        [note for note in block.notes if note.patient_id in ids],
    )
