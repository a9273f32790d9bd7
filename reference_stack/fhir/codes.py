"""Codes and systems that resources are written in.

Vital signs have the LOINC codes and UCUM units of FHIR's own profiles
(http://hl7.org/fhir/R4/observation-vitalsigns.html), the saturation by pulse oximetry beside the
profile's own code. Against the profile, the two blood pressures are Observations of their own: one
may be taken without the other. CPF and CNS have the naming systems of the
Rede Nacional de Dados em Saúde.
"""

from dataclasses import dataclass
from typing import Final, Literal

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
CPF_SYSTEM: Final = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cpf"
CNS_SYSTEM: Final = "http://rnds.saude.gov.br/fhir/r4/NamingSystem/cns"

#: What the profile of a code wants besides: `code` and `display` of the magic value.
PROFILE_CODES: Final = {"59408-5": ("2708-6", "Oxygen saturation in Arterial blood")}

VitalSignName = Literal[
    "respiratory_rate",
    "oxygen_saturation",
    "inhaled_oxygen",
    "systolic_pressure",
    "diastolic_pressure",
    "heart_rate",
    "temperature",
    "consciousness",
]
#: Alert, new Confusion, responds to Voice, responds to Pain, Unresponsive.
Consciousness = Literal["A", "C", "V", "P", "U"]


@dataclass(frozen=True)
class VitalSign:
    """One kind of measurement; ``lowest`` and ``highest`` are what is accepted as measured.

    The bounds keep typing errors out, they are no reference range.
    """

    name: VitalSignName
    code: str
    display: str
    portuguese: str
    unit: str
    lowest: float
    highest: float


VITAL_SIGNS: Final[tuple[VitalSign, ...]] = (
    VitalSign(
        "respiratory_rate", "9279-1", "Respiratory rate", "Frequência respiratória", "/min", 0, 120
    ),
    VitalSign(
        "oxygen_saturation", "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry",
        "Saturação de oxigênio", "%", 0, 100,
    ),
    VitalSign(
        "inhaled_oxygen", "3151-8", "Inhaled oxygen flow rate", "Oxigênio inalado", "L/min", 0, 80
    ),
    VitalSign(
        "systolic_pressure", "8480-6", "Systolic blood pressure", "Pressão sistólica",
        "mm[Hg]", 0, 350,
    ),
    VitalSign(
        "diastolic_pressure", "8462-4", "Diastolic blood pressure", "Pressão diastólica",
        "mm[Hg]", 0, 250,
    ),
    VitalSign("heart_rate", "8867-4", "Heart rate", "Frequência cardíaca", "/min", 0, 350),
    VitalSign("temperature", "8310-5", "Body temperature", "Temperatura", "Cel", 10, 46),
    VitalSign("consciousness", "67775-7", "Level of responsiveness", "Consciência", "", 0, 0),
)  # fmt: skip

BY_NAME: Final[dict[str, VitalSign]] = {sign.name: sign for sign in VITAL_SIGNS}
#: Every LOINC code a sign may be asked for by, and the one it is stored with.
STORED_CODES: Final[dict[str, str]] = {
    **{sign.code: sign.code for sign in VITAL_SIGNS},
    **{code: stored for stored, (code, _) in PROFILE_CODES.items()},
}
BY_CODE: Final[dict[str, VitalSign]] = {sign.code: sign for sign in VITAL_SIGNS}
