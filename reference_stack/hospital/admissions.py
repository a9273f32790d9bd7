"""Who lies in which bed, why, since when, and how it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from reference_stack.hospital.conditions import Condition
from reference_stack.hospital.drawing import Picker
from reference_stack.hospital.names import Sex
from reference_stack.hospital.patients import Patient

#: The moment the hospital is shown at: noon in São Paulo on the day ages are counted to.
REFERENCE_TIME: Final = datetime(2025, 1, 1, 15, tzinfo=UTC)

STREAM: Final = 4
LONGEST_STAY_HOURS: Final = 240

Course = Literal["stable", "deteriorating", "recovering"]
Episode = Literal["sepsis", "respiratory", "bleeding"]

#: Beds by ward. The whole hospital has 230, whatever number of patients it has ever registered.
WARDS: Final = {
    "Emergência": 20, "UTI adulto": 26, "Clínica médica": 90, "Clínica cirúrgica": 50,
    "Pediatria": 24, "Maternidade": 20,
}  # fmt: skip
BEDS: Final = sum(WARDS.values())
INTENSIVE: Final = "UTI adulto"
_BED_LETTERS: Final = {
    "Emergência": "E", "UTI adulto": "U", "Clínica médica": "M", "Clínica cirúrgica": "C",
    "Pediatria": "P", "Maternidade": "O",
}  # fmt: skip

#: Shares of courses and lengths of stay are assumptions of this testbed.
DETERIORATING: Final = 0.08
RECOVERING: Final = 0.10


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody is admitted: the acute diagnosis, the wards, who can have it."""

    condition: Condition
    wards: tuple[str, ...]
    ages: tuple[int, int]
    episode: Episode
    sex: Sex | None = None


def _reason(
    code: str, name: str, wards: tuple[str, ...], ages: tuple[int, int], episode: Episode,
    *, sex: Sex | None = None,
) -> Reason:  # fmt: skip
    return Reason(Condition(code, name), wards, ages, episode, sex)


_MEDICAL = ("Clínica médica", "Clínica médica", "Emergência", "UTI adulto")
_SURGICAL = ("Clínica cirúrgica", "Clínica cirúrgica", "UTI adulto")
REASONS: Final = (
    _reason("J18", "pneumonia", _MEDICAL, (15, 99), "respiratory"),
    _reason("A41", "sepse", ("UTI adulto", "Clínica médica"), (15, 99), "sepsis"),
    _reason("N39", "infecção do trato urinário", _MEDICAL, (15, 99), "sepsis"),
    _reason("I21", "infarto agudo do miocárdio", ("UTI adulto", "Emergência"), (35, 99),
            "respiratory"),
    _reason("I50", "insuficiência cardíaca descompensada", _MEDICAL, (40, 99), "respiratory"),
    _reason("J44", "exacerbação de doença pulmonar obstrutiva crônica", _MEDICAL, (40, 99),
            "respiratory"),
    _reason("I63", "acidente vascular cerebral isquêmico", _MEDICAL, (40, 99), "respiratory"),
    _reason("K92", "hemorragia digestiva", _MEDICAL, (18, 99), "bleeding"),
    _reason("K35", "apendicite aguda", _SURGICAL, (15, 70), "sepsis"),
    _reason("K80", "colelitíase", _SURGICAL, (18, 90), "sepsis"),
    _reason("S72", "fratura de fêmur", _SURGICAL, (55, 99), "bleeding"),
    _reason("S82", "fratura da perna", _SURGICAL, (15, 99), "bleeding"),
    _reason("O80", "parto único espontâneo", ("Maternidade",), (15, 45), "bleeding", sex="female"),
    _reason("O14", "pré-eclâmpsia", ("Maternidade",), (15, 45), "bleeding", sex="female"),
    _reason("J21", "bronquiolite aguda", ("Pediatria",), (0, 2), "respiratory"),
    _reason("A09", "gastroenterite aguda", ("Pediatria",), (0, 14), "sepsis"),
    _reason("J45", "crise de asma", ("Pediatria",), (3, 14), "respiratory"),
    _reason("J18", "pneumonia", ("Pediatria",), (0, 14), "respiratory"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Admission:
    """A stay that has not ended. `onset_at` is when an episode of deterioration sets in, if any."""

    id: UUID
    patient: Patient
    reason: Reason
    ward: str
    bed: str
    admitted_at: datetime
    course: Course
    onset_at: datetime | None


def admission_chance(patient: Patient) -> float:
    """Chance of lying in a bed today; an assumption: grows with age and conditions."""
    age = patient.age_years()
    young = 0.02 if age < 1 else 0.0
    return 0.01 + young + 0.008 * len(patient.conditions) + 0.0004 * max(0, age - 40)


class Beds:
    """The beds that are still free; the hospital takes nobody in when a ward is full."""

    def __init__(self) -> None:
        self._taken = dict.fromkeys(WARDS, 0)

    def take(self, ward: str) -> str | None:
        """A free bed's number, for example ``M-017``; None when there is none."""
        number = self._taken[ward] + 1
        if number > WARDS[ward]:
            return None
        self._taken[ward] = number
        return f"{_BED_LETTERS[ward]}-{number:03}"


def admissions(
    seed: int, patients: Iterable[list[Patient]], *, as_of: datetime = REFERENCE_TIME
) -> Iterator[tuple[list[Patient], list[Admission]]]:
    """Each block of patients with those of them who lie in a bed at `as_of` (aware).

    Whether a patient is admitted depends on those before, never on those after.
    """
    beds = Beds()
    for number, block in enumerate(patients):
        picker = Picker((seed, STREAM, number))
        admitted = [_admit(patient, picker, beds, as_of) for patient in block]
        yield block, [admission for admission in admitted if admission is not None]


def _admit(patient: Patient, picker: Picker, beds: Beds, as_of: datetime) -> Admission | None:
    if not picker.chance(admission_chance(patient)):
        return None
    # By the age on the reference day, whenever the hospital is shown: the reason stays the same.
    age = patient.age_years()
    possible = [
        reason
        for reason in REASONS
        if reason.ages[0] <= age <= reason.ages[1] and reason.sex in {None, patient.sex}
    ]
    reason = picker.pick(possible)
    ward = picker.pick(reason.wards)
    stay_hours = 6 + int((LONGEST_STAY_HOURS - 6) * picker.uniform() ** 2)
    # Nobody was in hospital before being born.
    alive_hours = max(1, (as_of.date() - patient.birth_date).days * 24)
    admitted_at = as_of - timedelta(hours=min(stay_hours, alive_hours))
    fate = picker.uniform()
    id_ = picker.uuid()
    bed = beds.take(ward)
    if bed is None:
        return None
    onset: datetime | None = None
    course: Course = "stable"
    if fate < DETERIORATING:
        course, onset = "deteriorating", as_of - timedelta(hours=6 + 6 * fate / DETERIORATING)
    elif fate < DETERIORATING + RECOVERING:
        course = "recovering"
        onset = as_of - timedelta(hours=30 + 18 * (fate - DETERIORATING) / RECOVERING)
    if onset is not None and onset < admitted_at:
        course, onset = "stable", None
    return Admission(id_, patient, reason, ward, bed, admitted_at, course, onset)
