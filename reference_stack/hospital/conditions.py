"""Chronic conditions (ICD-10), the medicines taken for them, and allergies.

Prevalence by age is a shape (relative values at anchor ages, straight lines between) scaled so that
the adults of the pyramid have the prevalence that was published: IBGE, *Pesquisa Nacional de Saúde
2019*, adults of 18 and over (hypertension 23.9 %, diabetes 7.7 %, high cholesterol 14.6 %,
depression 10.2 % with 14.7 % of women and 5.1 % of men, heart disease 5.3 %, asthma 5.3 %, stroke
2.0 %, lung disease 1.7 %, chronic kidney failure 1.5 %, arthritis 7.6 %, back problems 21.6 %).
Conditions without such a figure carry an assumption of this testbed. Conditions are independent of
each other given age and sex: real multimorbidity clusters more.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from reference_stack.hospital.demography import PYRAMID, ages_by_year

ADULT_YEARS: Final = 18
OLDEST_YEARS: Final = 99

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Condition:
    """A diagnosis: ICD-10 code and its name in Portuguese."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Medication:
    """A medicine as it is taken: name with strength, and how (both in Portuguese)."""

    name: str
    directions: str


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """How frequent a condition is, and what is taken for it.

    `shape` holds (age in years, relative prevalence); `adults` is the prevalence among women and
    men of 18 and over that the shape is scaled to; `published` says whether that is a survey's.
    """

    condition: Condition
    adults: tuple[float, float]
    shape: tuple[tuple[int, float], ...]
    medications: tuple[Medication, ...]
    published: bool


_WITH_AGE = ((17, 0.0), (24, 0.03), (40, 0.2), (62, 0.8), (70, 1.0), (85, 1.1))
_OLD = ((40, 0.0), (55, 0.15), (70, 0.7), (85, 1.5))
_ADULT = ((12, 0.0), (22, 0.7), (40, 1.0), (60, 1.2), (85, 0.9))
_ALL_AGES = ((1, 0.3), (8, 1.4), (20, 1.0), (50, 0.9), (85, 1.0))
_FROM_40 = ((34, 0.0), (45, 0.4), (60, 1.0), (85, 1.3))

_DAILY = "1 comprimido uma vez ao dia"
_TWICE = "1 comprimido de 12 em 12 horas"
_NIGHT = "1 comprimido à noite"


def _kind(
    code: str,
    name: str,
    adults: tuple[float, float],
    shape: tuple[tuple[int, float], ...],
    medications: tuple[tuple[str, str], ...] = (),
    *,
    published: bool = False,
) -> ConditionKind:
    taken = tuple(Medication(medicine, directions) for medicine, directions in medications)
    return ConditionKind(Condition(code, name), adults, shape, taken, published)


KINDS: Final = (
    _kind("I10", "hipertensão arterial essencial", (0.264, 0.211), _WITH_AGE,
          (("losartana 50 mg", _TWICE), ("hidroclorotiazida 25 mg", _DAILY),
           ("anlodipino 5 mg", _DAILY), ("enalapril 10 mg", _TWICE)), published=True),
    _kind("E11", "diabetes mellitus tipo 2", (0.084, 0.069), _WITH_AGE,
          (("metformina 850 mg", "1 comprimido após almoço e jantar"),
           ("gliclazida MR 30 mg", _DAILY), ("insulina NPH", "20 UI pela manhã e 10 UI à noite")),
          published=True),
    _kind("E78", "dislipidemia", (0.176, 0.111), _WITH_AGE,
          (("sinvastatina 20 mg", _NIGHT), ("atorvastatina 40 mg", _NIGHT)), published=True),
    _kind("F32", "episódio depressivo", (0.147, 0.051), _ADULT,
          (("sertralina 50 mg", _DAILY), ("fluoxetina 20 mg", _DAILY)), published=True),
    _kind("I25", "doença isquêmica crônica do coração", (0.053, 0.053), _OLD,
          (("ácido acetilsalicílico 100 mg", _DAILY), ("carvedilol 6,25 mg", _TWICE)),
          published=True),
    _kind("J45", "asma", (0.063, 0.042), _ALL_AGES,
          (("salbutamol 100 mcg spray", "2 jatos se falta de ar"),
           ("budesonida 200 mcg", "1 inalação de 12 em 12 horas")), published=True),
    _kind("I69", "sequela de acidente vascular cerebral", (0.019, 0.021), _OLD,
          (("clopidogrel 75 mg", _DAILY),), published=True),
    _kind("J44", "doença pulmonar obstrutiva crônica", (0.017, 0.017), _OLD,
          (("formoterol com budesonida 12/400 mcg", "1 inalação de 12 em 12 horas"),),
          published=True),
    _kind("N18", "doença renal crônica", (0.015, 0.015), _WITH_AGE,
          (("furosemida 40 mg", _DAILY),), published=True),
    _kind("M19", "artrose", (0.104, 0.045), _FROM_40,
          (("dipirona 500 mg", "1 comprimido de 6 em 6 horas se dor"),), published=True),
    _kind("M54", "dorsalgia", (0.246, 0.183), _ADULT,
          (("paracetamol 750 mg", "1 comprimido de 8 em 8 horas se dor"),), published=True),
    _kind("I50", "insuficiência cardíaca", (0.014, 0.016), _OLD,
          (("espironolactona 25 mg", _DAILY), ("furosemida 40 mg", _TWICE))),
    _kind("I48", "fibrilação atrial", (0.010, 0.012), _OLD, (("varfarina 5 mg", _DAILY),)),
    _kind("E03", "hipotireoidismo", (0.09, 0.02), _ADULT,
          (("levotiroxina 75 mcg", "1 comprimido em jejum"),)),
    _kind("K21", "doença do refluxo gastroesofágico", (0.09, 0.08), _ADULT,
          (("omeprazol 20 mg", "1 cápsula em jejum"),)),
    _kind("F41", "transtorno de ansiedade", (0.09, 0.04), _ADULT,
          (("escitalopram 10 mg", _DAILY),)),
    _kind("G43", "enxaqueca", (0.11, 0.045), ((9, 0.0), (25, 1.0), (45, 1.1), (70, 0.4))),
    _kind("G40", "epilepsia", (0.008, 0.009), _ALL_AGES,
          (("carbamazepina 200 mg", _TWICE), ("ácido valproico 500 mg", _TWICE))),
    _kind("J30", "rinite alérgica", (0.12, 0.11), _ALL_AGES,
          (("loratadina 10 mg", _DAILY),)),
    _kind("E66", "obesidade", (0.22, 0.20), _ADULT),
    _kind("C50", "neoplasia maligna da mama", (0.012, 0.0), _FROM_40,
          (("tamoxifeno 20 mg", _DAILY),)),
    _kind("C61", "neoplasia maligna da próstata", (0.0, 0.012), _OLD),
    _kind("N40", "hiperplasia da próstata", (0.0, 0.10), _FROM_40,
          (("doxazosina 2 mg", _NIGHT),)),
    _kind("M81", "osteoporose", (0.09, 0.015), _OLD,
          (("alendronato 70 mg", "1 comprimido por semana, em jejum"),)),
    _kind("G30", "doença de Alzheimer", (0.012, 0.008), ((59, 0.0), (70, 0.3), (85, 2.5)),
          (("donepezila 5 mg", _NIGHT),)),
)  # fmt: skip

ALLERGIES: Final = (
    "dipirona", "penicilina", "ácido acetilsalicílico", "sulfa", "ibuprofeno", "contraste iodado",
    "látex", "frutos do mar", "amendoim", "leite de vaca", "picada de inseto",
)  # fmt: skip
#: Share of people with a recorded allergy, and of those the share with a second one: assumptions.
WITH_ALLERGY: Final = 0.14
WITH_SECOND_ALLERGY: Final = 0.18


def _prevalence(kind: ConditionKind) -> Shares:
    """Prevalence by sex (female, male) × year of age."""
    anchors = np.array(kind.shape)
    years = np.arange(OLDEST_YEARS + 1)
    shape = np.interp(years, anchors[:, 0], anchors[:, 1])
    adults = ages_by_year()[:, ADULT_YEARS:]
    mean = (adults * shape[ADULT_YEARS:]).sum(axis=1) / adults.sum(axis=1)
    prevalence: Shares = np.minimum(np.outer(np.array(kind.adults) / mean, shape), 0.95)
    return prevalence


#: Conditions × sexes (female, male) × years of age.
PREVALENCE: Final[Shares] = np.stack([_prevalence(kind) for kind in KINDS])


def adult_prevalence(kind: ConditionKind) -> float:
    """Share of all adults of the pyramid with the condition, both sexes together."""
    women, men = ages_by_year()[:, ADULT_YEARS:].sum(axis=1) / (
        ages_by_year()[:, ADULT_YEARS:].sum()
    )
    return float(women * kind.adults[0] + men * kind.adults[1])


assert PREVALENCE.shape[1] == PYRAMID.shape[0]  # noqa: S101 - the sexes' order is shared
