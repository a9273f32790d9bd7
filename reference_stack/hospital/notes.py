"""Clinical notes in Portuguese, from a grammar that knows the patient they are about.

A production is a text with fields in braces; a field is another production or a fact of the
patient. What a note says about age, sex, conditions, medicines, allergies and vital signs is what
the rest of the record says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

from reference_stack.hospital.admissions import Admission
from reference_stack.hospital.clinicians import Clinician
from reference_stack.hospital.drawing import Picker
from reference_stack.hospital.note_grammar import GRAMMAR
from reference_stack.hospital.patients import Patient
from reference_stack.hospital.vital_signs import HOSPITAL_ZONE, Recording

Kind = Literal["admission", "progress", "nursing", "outpatient"]

STREAM: Final = 6
#: Whether a patient has notes must not depend on the moment they lead up to: a stream of its own.
VISITS_STREAM: Final = 10
#: The staff who sign notes are the first of the hospital, whatever its size.
TEAM: Final = 24
#: Mean number of outpatient notes a patient has; they lie within the last years.
OUTPATIENT_NOTES: Final = 0.8
_OUTPATIENT_DAYS: Final = 3 * 365
#: Below this age others speak for the patient.
INFANT_YEARS: Final = 4
_OF_INFANTS: Final = (
    "subjetivo", "subjetivo_ruim", "queixa_admissao", "queixa_leve", "consciencia", "conduta_boa",
)  # fmt: skip
_FIELD: Final = re.compile(r"\{(\w+)\}")
_SENTENCE_START: Final = re.compile(r"(?:^|(?<=[.:] )|(?<=\n))[a-zà-ú](?=[a-zà-ú ])")


@dataclass(frozen=True, slots=True)
class Note:
    """A note as the API stores one; `client_id` is its idempotency key."""

    client_id: UUID
    patient_id: UUID
    author_id: UUID
    kind: Kind
    text: str
    recorded_at: datetime


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[str, ...]:
    """Literal text and field names in turn, beginning with text."""
    return tuple(_FIELD.split(template))


def expand(symbol: str, facts: Mapping[str, str], picker: Picker) -> str:
    """A text of the grammar's `symbol`; a fact of that name goes before a production.

    Raises `KeyError` for a field that is neither.
    """
    if symbol in facts:
        return facts[symbol]
    parts = _parts(picker.pick(GRAMMAR[symbol]))
    return "".join(
        expand(part, facts, picker) if place % 2 else part for place, part in enumerate(parts)
    )


def written(symbol: str, facts: Mapping[str, str], picker: Picker) -> str:
    """The same with every sentence beginning with a capital letter."""
    text = expand(symbol, facts, picker)
    return _SENTENCE_START.sub(lambda found: found.group().upper(), text)


def facts_of(patient: Patient, on: datetime, picker: Picker) -> dict[str, str]:
    """What a note may say of a patient, in words that agree with sex and age."""
    female = patient.sex == "female"
    conditions = [f"{condition.name} ({condition.code})" for condition in patient.conditions]
    age = patient.age_years(on.date())
    months = (on.date() - patient.birth_date).days // 30
    facts = {
        "o_paciente": "a paciente" if female else "o paciente",
        "a": "a" if female else "o",
        "idade": f"{age} anos" if age > 1 else f"{max(0, months)} meses" if age < 1 else "1 ano",
        "sexo": "sexo feminino" if female else "sexo masculino",
        "antecedentes": _listed(conditions) or "nega comorbidades conhecidas",
        "uso": _listed([medication.name for medication in patient.medications])
        or "nenhum medicamento de uso contínuo",
        "alergias": f"ALERGIA a {_listed(list(patient.allergies))}"
        if patient.allergies
        else "nega alergias conhecidas",
        "principal": patient.conditions[0].name if patient.conditions else "consulta de rotina",
    }
    if age < INFANT_YEARS:
        for symbol in _OF_INFANTS:
            facts[symbol] = expand(f"{symbol}_infantil", facts, picker)
    return facts


def _listed(words: Sequence[str]) -> str:
    return " e ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def outpatient_visits(picker: Picker) -> int:
    """How many earlier visits a patient has notes of: geometric, with mean `OUTPATIENT_NOTES`."""
    visits = 0
    while picker.chance(OUTPATIENT_NOTES / (1.0 + OUTPATIENT_NOTES)):
        visits += 1
    return visits


def outpatient_notes(
    patient: Patient, visits: int, team: Sequence[Clinician], picker: Picker, *, as_of: datetime
) -> Iterator[Note]:
    """The notes of earlier visits, none from before the patient's birth."""
    for _ in range(visits):
        age_days = (as_of.date() - patient.birth_date).days
        ago_days = 1 + int(picker.uniform() * min(_OUTPATIENT_DAYS, max(1, age_days - 1)))
        at = as_of - timedelta(days=ago_days, minutes=picker.between(0, 479))
        symbol = "outpatient" if patient.conditions else "outpatient_healthy"
        text = written(symbol, facts_of(patient, at, picker), picker)
        author = picker.pick(_with_role(team, "physician"))
        yield Note(picker.uuid(), patient.id, author.id, "outpatient", text, at)


def inpatient_notes(
    recording: Recording, team: Sequence[Clinician], picker: Picker
) -> Iterator[Note]:
    """The stay's notes so far: admission, and a nurse's and a physician's each recorded day."""
    admission = recording.admission
    physicians, nurses = _with_role(team, "physician"), _with_role(team, "nurse")
    attending = picker.pick(physicians)
    yield _note("admission", recording, 0, attending, picker, at=admission.admitted_at)
    for index in _last_of_each_day(recording.times):
        nurse = picker.pick(nurses)
        yield _note("nursing", recording, index, nurse, picker, at=recording.times[index])
        later = recording.times[index] + timedelta(minutes=picker.between(1, 20))
        at = min(later, recording.times[-1])
        yield _note("progress", recording, index, attending, picker, at=at)


def _note(
    kind: Kind, recording: Recording, index: int, author: Clinician, picker: Picker, *, at: datetime
) -> Note:
    admission = recording.admission
    facts = facts_of(admission.patient, at, picker)
    facts |= stay_facts(admission, recording, index, at)
    unwell = is_unwell(recording, index)
    symbol = f"{kind}_unwell" if unwell and kind != "admission" else kind
    text = written(symbol, facts, picker)
    return Note(picker.uuid(), admission.patient.id, author.id, kind, text, at)


def stay_facts(
    admission: Admission, recording: Recording, index: int, at: datetime
) -> dict[str, str]:
    """What a note of a stay may say on top, with the vital signs of a reading."""
    heart, breaths, saturation, temperature, systolic, diastolic = recording.values[index].tolist()
    days = max(0, (at - admission.admitted_at).days)
    return {
        "motivo": f"{admission.reason.condition.name} ({admission.reason.condition.code})",
        "diagnostico": admission.reason.condition.name,
        "setor": admission.ward,
        "leito": admission.bed,
        "dias": f"{days}º dia de internação" if days else "dia da internação",
        "sinais": (
            f"PA {systolic:.0f}x{diastolic:.0f} mmHg, FC {heart:.0f} bpm, FR {breaths:.0f} irpm, "
            f"SpO2 {saturation:.0f} %, Tax {f'{temperature:.1f}'.replace('.', ',')} °C"
        ),
        "hora": at.astimezone(HOSPITAL_ZONE).strftime("%H:%M"),
    }


def is_unwell(recording: Recording, index: int) -> bool:
    """Whether an episode of deterioration is at its height at a reading."""
    onset = recording.admission.onset_at
    if onset is None:
        return False
    since = recording.times[index] - onset
    return timedelta(hours=3) < since < timedelta(hours=20)


def _last_of_each_day(times: Sequence[datetime]) -> list[int]:
    days = [at.astimezone(HOSPITAL_ZONE).date() for at in times]
    return [
        index for index, day in enumerate(days) if index + 1 == len(days) or days[index + 1] != day
    ]


def _with_role(team: Sequence[Clinician], role: str) -> tuple[Clinician, ...]:
    # A hospital in which chance hired no physician at all lets the others sign.
    return tuple(clinician for clinician in team if clinician.role == role) or tuple(team)
